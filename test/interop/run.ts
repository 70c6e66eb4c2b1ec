// Processes of the rigs: run one to its end, keep one alive, and the two waits that go with them.
import type { Subprocess } from "bun";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Result, resultOf } from "../processes.ts";

export type Environment = Record<string, string>;

/**
 * Runs a command to its end in exactly this environment. After `seconds` it is killed (exit status 137 and what it said
 * so far), sooner than bun's own limit for a test, whose clean-up would take the servers with it.
 */
export async function run(argv: string[], environment: Environment, seconds = 60, cwd = "/"): Promise<Result> {
  const child = Bun.spawn(argv, {
    cwd,
    env: environment,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: seconds * 1000,
    killSignal: "SIGKILL",
  });
  return resultOf(child);
}

/** As `run`, for what the rig itself needs: anything but success throws with what the command said. */
export async function must(argv: string[], environment: Environment, seconds = 60, cwd = "/"): Promise<string> {
  const { exitCode, stdout, stderr } = await run(argv, environment, seconds, cwd);
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: exit status ${exitCode}\n${stdout}${stderr}`);
  return stdout;
}

/** A server in the foreground. Linux ends it with this process, however this process ends. */
export function serve(argv: string[], environment: Environment, log: string): Subprocess {
  const guard = process.platform === "linux" ? ["setpriv", "--pdeathsig", "KILL"] : [];
  return Bun.spawn([...guard, ...argv], {
    cwd: "/",
    env: environment,
    stdin: "ignore",
    stdout: Bun.file(log),
    stderr: Bun.file(log),
  });
}

/** Waits for a condition and says what it waited for when it does not come. A condition that throws is not yet met. */
export async function until(what: string, seconds: number, condition: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + seconds * 1000;
  let last: unknown;
  while (performance.now() < end) {
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    await Bun.sleep(50);
  }
  throw new Error(`waited ${seconds} s for ${what}`, { cause: last });
}

/** A port that was free a moment ago; another process may take it before it is used. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** A private directory under the system's temporary one: short, because a socket's path has 108 bytes. */
export function scratch(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(`${tmpdir()}/keyhole-${name}-`);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
