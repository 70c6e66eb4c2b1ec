// Users of a machine, made for one test: in a mount namespace with its own /etc and /run, so that nothing of them is left
// and nobody else sees them.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resultOf } from "../processes.ts";
import { publicExecutable } from "./daemons.ts";
import { holdNamespace } from "./namespace.ts";

/** Why there cannot be any, if so. */
export const noUsers: string | undefined = findReason();

function findReason(): string | undefined {
  if (process.platform !== "linux") return "no mount namespaces here";
  if (process.getuid?.() !== 0) return "needs root, to be other users";
  const missing = ["unshare", "nsenter", "setpriv", "mount", "useradd", "groupadd", "usermod", "getent"].filter(
    (tool) => Bun.which(tool) === null,
  );
  if (missing.length > 0) return `${missing.join(", ")} missing: install util-linux and passwd`;
  const canMount = Bun.spawnSync(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/run"]).exitCode === 0;
  return canMount ? undefined : "no mounts of its own: run as root outside of a container";
}

export type Users = Awaited<ReturnType<typeof createUsers>>;

/** What runs words as a user who has just logged in: with all of its groups, and none of this test's variables. */
function as(name: string, variables: Readonly<Record<string, string>> = {}): string[] {
  const assignments = Object.entries(variables).map(([variable, text]) => `${variable}=${text}`);
  return ["setpriv", `--reuid=${name}`, `--regid=${name}`, "--init-groups", "--reset-env", "env", ...assignments];
}

/** Use with `await using`. @param names of users, each with a home of its own */
export async function createUsers(names: readonly string[]) {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-users-"));
  chmodSync(directory, 0o755);
  const program = publicExecutable();
  const etc = join(directory, "etc");
  mkdirSync(join(directory, "home"), { mode: 0o755 });
  const homeOf = (name: string) => join(directory, "home", name);
  const namespace = await holdNamespace([
    `cp -a /etc ${etc}`,
    `mount --bind ${etc} /etc`,
    "mount -t tmpfs -o mode=755 none /run",
    // Where it is no link to /run.
    "[ -L /var/run ] || mount --bind /run /var/run",
    ...names.map((name) => `useradd --home-dir ${homeOf(name)} --create-home --shell /bin/sh --user-group ${name}`),
    ...names.map((name) => `chmod 700 ${homeOf(name)}`),
    "echo ready",
  ]);

  function spawn(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
    return Bun.spawn([...namespace.enter, ...words], {
      cwd: "/",
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  return {
    /** A copy that everybody may run. */
    program: program.path,
    homeOf,
    spawn,
    as,
    asRoot: (words: readonly string[], env?: Readonly<Record<string, string>>) => resultOf(spawn(words, env)),
    /** Runs `keyhole WORDS` as a user. */
    keyhole: (name: string, words: string, variables?: Readonly<Record<string, string>>) =>
      resultOf(spawn([...as(name, variables), program.path, ...words.split(" ")])),
    /** Writes a file of a user's, with the directories above it. */
    async write(name: string, path: string, text: string): Promise<void> {
      const source = join(directory, "text");
      writeFileSync(source, text);
      chmodSync(source, 0o644);
      const target = join(homeOf(name), path);
      const copy = `umask 077; mkdir -p "$(dirname "$1")" && cat "$0" > "$1"`;
      const { exitCode, stderr } = await resultOf(spawn([...as(name), "sh", "-c", copy, source, target]));
      if (exitCode !== 0) throw new Error(stderr);
    },
    async [Symbol.asyncDispose]() {
      await namespace.end();
      program.remove();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
