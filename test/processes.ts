// Processes that a test has something to do with, and waiting for them.
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Waits for a condition, not for time; the test's own timeout ends it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(2);
}

/** False for a process that has ended, also if nobody has waited for it yet. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    // It ended at this moment, or there is no /proc here.
    return !existsSync("/proc/self");
  }
}

/** The children of a process that have this among their words; where there is /proc. */
export function childrenOf(parent: number, word: string): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      const isChild = new RegExp(`^PPid:\t${parent}$`, "m").test(readFileSync(`/proc/${pid}/status`, "latin1"));
      return isChild && readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").includes(word);
    } catch {
      // It ended while we looked.
      return false;
    }
  });
}

/** The pid that a process writes into a file with `echo $$`, as soon as it is whole. */
export async function pidIn(file: string): Promise<number> {
  const read = () =>
    Bun.file(file)
      .text()
      .catch(() => "");
  await until(async () => (await read()).endsWith("\n"));
  return Number(await read());
}

/** What a program said, and how it ended. */
export interface Result {
  readonly stdout: string;
  readonly stderr: string;
  /** 128 + n for a death by signal n, as a shell has it. */
  readonly exitCode: number;
}

/** Reads a program to its end. */
export async function resultOf(child: Bun.ReadableSubprocess): Promise<Result> {
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

/** What this process has worked so far, in milliseconds: says what something costs, whatever else the machine does. */
export function worked(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
