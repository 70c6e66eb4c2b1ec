// Secrets that are looked for everywhere afterwards: in texts, in files, and in what /proc shows of other processes.
import { randomBytes } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Name of the canary → its value. */
export type Canaries = Readonly<Record<string, string>>;

/**
 * In the form of an AWS secret access key: 40 characters of base 64. One in a thousand has no digit, by which keyhole tells
 * one that it does not know from a path.
 */
export function secretKey(): string {
  const key = randomBytes(30).toString("base64");
  return /\d/.test(key) ? key : secretKey();
}

/** Which canaries a text holds, plain or as other formats write them. */
export function leaksIn(text: string, canaries: Canaries): string[] {
  return Object.entries(canaries).flatMap(([name, value]) => {
    // A code is six digits, and no part of a longer number.
    if (/^\d+$/.test(value)) return new RegExp(`(?<![\\w.])${value}(?![\\w.])`).test(text) ? [name] : [];
    const forms = [value, encodeURIComponent(value), Buffer.from(value).toString("base64").slice(0, -4)];
    return forms.some((form) => text.includes(form)) ? [name] : [];
  });
}

/** Larger files are executables that other tests copy. */
const LARGEST_FILE = 20 * 1024 * 1024;

/** Every regular file below a directory; those that vanish meanwhile, or are not ours to read, are left out. */
export function textsBelow(directory: string): Map<string, string> {
  const texts = new Map<string, string>();
  for (const name of attempt(() => readdirSync(directory, { recursive: true, encoding: "utf8" })) ?? []) {
    const path = join(directory, name);
    const stats = attempt(() => lstatSync(path));
    if (stats?.isFile() !== true || stats.size > LARGEST_FILE) continue;
    const text = attempt(() => readFileSync(path, "latin1"));
    if (text !== undefined) texts.set(path, text);
  }
  return texts;
}

export interface ProcessWatch {
  /** `pid cmdline: canary in environ`, each once. */
  stop(): Promise<string[]>;
}

/**
 * Looks at every process but this one, again and again.
 *
 * @param inEnvironment what must not stand in an environment; @param inArguments in a command line
 */
export function watchProcesses(inEnvironment: Canaries, inArguments: Canaries): ProcessWatch {
  const found = new Set<string>();
  const state = { isOver: false };
  /** What was looked at; a process that runs something else has other arguments. */
  const looked = new Map<string, string>();
  const look = (pid: string) => {
    const cmdline = attempt(() => readFileSync(`/proc/${pid}/cmdline`, "latin1")) ?? "";
    if (cmdline === "" || looked.get(pid) === cmdline) return;
    looked.set(pid, cmdline);
    for (const name of leaksIn(cmdline, inArguments)) found.add(`${pid}: ${name} in its arguments`);
    const environ = attempt(() => readFileSync(`/proc/${pid}/environ`, "latin1")) ?? "";
    const words = cmdline.replaceAll("\0", " ");
    for (const name of leaksIn(environ, inEnvironment)) found.add(`${pid} ${words}: ${name} in its environment`);
  };
  const watch = async () => {
    while (!state.isOver) {
      const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
      for (const pid of pids) look(pid);
      // A process of ours lives for 5 ms at least; looking more often would take the CPU from it.
      await Bun.sleep(4);
    }
  };
  const end = watch();
  return {
    stop: async () => {
      state.isOver = true;
      await end;
      return [...found];
    },
  };
}

function attempt<Result>(action: () => Result): Result | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
