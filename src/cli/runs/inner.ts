// The program below a sandbox's own processes, most of which end by a signal, or end the program, and pass no signal on.
import { readdirSync, readFileSync } from "node:fs";
import { baseOf } from "../../paths.ts";

/** A process as far as it counts here. */
interface Process {
  readonly words: readonly string[];
  readonly children: readonly number[];
}

export type ReadProcess = (pid: number) => Process | undefined;

/** Far more than any sandbox has before its program. */
const MOST = 256;

/**
 * The first process below `pid` that runs these words, itself or through a script's first line; undefined where none does,
 * and where the system does not show them.
 */
export function findInner(pid: number, words: readonly string[], look: ReadProcess = readProcess): number | undefined {
  let level: readonly number[] = look(pid)?.children ?? [];
  for (let seen = 0; level.length > 0 && seen < MOST; seen += level.length) {
    const processes = level.map((each) => [each, look(each)] as const);
    const found = processes.find(([, process]) => process !== undefined && runs(process.words, words));
    if (found !== undefined) return found[0];
    level = processes.flatMap(([, process]) => process?.children ?? []);
  }
  return undefined;
}

/** `#!/usr/bin/env node` makes `node /opt/claude …` of `claude …`; a shell's `-c claude` does not count. */
function runs(words: readonly string[], wanted: readonly string[]): boolean {
  const [program = "", ...parameters] = wanted;
  return [0, 1, 2].some((at) => {
    const [path, ...rest] = words.slice(at);
    return (
      path !== undefined &&
      baseOf(path) === baseOf(program) &&
      !["-c", "--"].includes(words[at - 1] ?? "") &&
      Bun.deepEquals(rest, parameters)
    );
  });
}

/** proc(5) */
const readProcess: ReadProcess = (pid) => {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1"));
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
    return { words, children: lists.flatMap((list) => list.split(" ").filter(Boolean).map(Number)) };
  } catch {
    return undefined;
  }
};
