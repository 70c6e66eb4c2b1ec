// Daemons in the foreground, as someone in particular or with limits, and what their owner may see of them.
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable, type Machine, type RunOptions } from "./machine.ts";

/** A user without any rights: `nobody`. */
export const NOBODY = 65_534;
export const isRoot = process.getuid?.() === 0;
/** Whether processes of other users can be made here. */
export const canBeOthers = isRoot && Bun.which("setpriv") !== null;
/** Runs what follows as NOBODY. */
export const asNobody = as(NOBODY);

/** Runs what follows as a user of the host, who need not be known by name; root stays root. */
export function as(uid: number): string[] {
  return uid === 0 ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
}

/** Runs what follows with limits or a umask: `shell("ulimit -n 64")`. */
export function shell(setting: string): string[] {
  return ["/bin/sh", "-c", `${setting} && exec "$@"`, "sh"];
}

/** `keyhole --daemon` in the foreground, ready. */
export async function startForeground(machine: Machine, options: RunOptions = {}, words: readonly string[] = []) {
  const child = machine.spawn(["--daemon", ...words], options);
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const line = new TextDecoder().decode(value);
  if (!line.startsWith("keyhole: ready at ")) throw new Error(await new Response(child.stderr).text());
  return child;
}

/** A copy of the executable where every user may run it: a checkout may lie in a private home. Use with `using`. */
export function publicExecutable() {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-public-"));
  chmodSync(directory, 0o755);
  const path = join(directory, "keyhole");
  copyFileSync(executable, path);
  chmodSync(path, 0o755);
  const remove = () => rmSync(directory, { recursive: true, force: true });
  return { path, remove, [Symbol.dispose]: remove };
}

/** An ordinary user: this one, unless it is root. */
export const asOrdinary = canBeOthers ? asNobody : [];

/** Gives a machine's home to the ordinary user, before anything was made in it. */
export function giveHomeToOrdinary(machine: Machine): void {
  if (!canBeOthers) return;
  chownSync(machine.home, NOBODY, NOBODY);
  chownSync(join(machine.home, "work"), NOBODY, NOBODY);
}
