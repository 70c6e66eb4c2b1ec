// The thread-local segment. The program's own code has the distances of its variables from the thread pointer built in,
// so the libraries' variables go to the far side of them: before them where the segment lies below the pointer (x86-64),
// behind them where it lies above (AArch64). "ELF Handling For Thread-Local Storage", variants I and II.
import { alignUp, toHex } from "./bytes.ts";
import type { Program } from "./program.ts";
import { threadVariables } from "./substitutes.ts";

export interface ThreadPlan {
  /** The libraries' variables that the program uses → distance from the thread pointer. */
  readonly variables: ReadonlyMap<string, number>;
  /** Bytes that come before the program's own. Not 0 means that the initial content has to be written anew. */
  readonly shift: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly alignment: number;
  /** Distance of the program's own variable at `offset` in its segment from the thread pointer. */
  ownOffset(offset: number): number;
}

const wordSize = 8;

/** @throws Error if the program imports a thread-local variable that is not known. */
export function planThreads(program: Program): ThreadPlan {
  const { machine, threadLocal, relocations } = program;
  const imported = relocations
    .filter(({ kind, symbol }) => kind === "thread" && symbol.name !== "" && symbol.section === 0)
    .map(({ symbol }) => symbol.name);
  for (const name of imported) {
    if (!threadVariables.includes(name)) throw new Error(`the executable imports the thread-local variable ${name}`);
  }
  const names = threadVariables.filter((name) => imported.includes(name));
  const size = names.length * wordSize;
  const alignment = Math.max(threadLocal.alignment, wordSize);
  // musl's __init_tls places the segment by its address modulo its alignment; the distances below assume 0.
  if (threadLocal.address % alignment !== 0) {
    throw new Error(`the thread-local segment at ${toHex(threadLocal.address)} is not aligned to ${alignment}`);
  }

  if (machine.thread.segment === "below pointer") {
    const shift = alignUp(size, alignment);
    const memorySize = shift + threadLocal.memorySize;
    const start = -alignUp(memorySize, alignment);
    return {
      variables: new Map(names.map((name, index) => [name, start + index * wordSize])),
      shift,
      fileSize: shift + threadLocal.fileSize,
      memorySize,
      alignment,
      ownOffset: (offset) => start + shift + offset,
    };
  }

  const start = alignUp(machine.thread.gap, alignment);
  const behind = alignUp(threadLocal.memorySize, alignment);
  return {
    variables: new Map(names.map((name, index) => [name, start + behind + index * wordSize])),
    shift: 0,
    fileSize: threadLocal.fileSize,
    memorySize: size === 0 ? threadLocal.memorySize : behind + size,
    alignment,
    ownOffset: (offset) => start + offset,
  };
}
