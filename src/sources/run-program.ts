// A program that is run for its output: with a deadline, a limit, and an end for everything it started.
import { existsSync } from "node:fs";
import type { Clock } from "../clock.ts";

export interface ProgramOptions {
  /** The first element is a path, or a name that is looked up in the environment's PATH. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Where it runs; `/` if undefined, or gone. Not looked at here: it may lie on a mount that hangs. */
  readonly workingDirectory?: string | undefined;
  /** Written to its stdin, which is then closed; secrets travel here. */
  readonly input?: string | undefined;
  /** Milliseconds. */
  readonly deadline: number;
  /** Milliseconds that it has from the moment at which it prints an empty line before its output. */
  readonly patience?: number | undefined;
  /** Bytes of stdout. */
  readonly largestOutput: number;
  /** Its first line is all of its output; its end is not waited for. */
  readonly saysOneLine?: boolean | undefined;
  /** It stays in this process's group, by which it is ended: it is a child's child of the daemon. */
  readonly sharesGroup?: boolean | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Told of a program that has not ended yet when this is over, with its end. */
  readonly onLeft?: ((ended: Promise<unknown>) => void) | undefined;
}

/** How it ended. `stdout` is whole only where the program ended by itself. */
export type ProgramEnd =
  | {
      readonly kind: "ended";
      readonly exit: number;
      readonly stdout: string;
      /** The end of the stderr of one that failed; it may hold secrets. */
      readonly stderr: string;
    }
  | { readonly kind: "not-found" | "not-executable" | "timeout" | "aborted" | "too-long" };

type Child = Bun.Subprocess<"ignore" | "pipe", "pipe", "pipe">;

/**
 * For a stream that is not read: /dev/null, and in an empty root, which has none, a pipe. What may say more than a
 * pipe holds, 64 KiB, is a program, and an empty root has no others.
 */
export function nowhere(): "ignore" | "pipe" {
  return existsSync("/dev/null") ? "ignore" : "pipe";
}

/** Milliseconds for which output may follow the end of a program: whatever it left behind may keep its stdout open for ever. */
const LINGERING = 1_000;
/** Characters of stderr that are kept: its last line is of interest. */
const COMPLAINT = 2_000;
const NEWLINE = 10;
/** A shell goes to the directory: where that hangs, or is gone, it is not the daemon that finds out. */
const MOVE = 'cd -- "$0" 2>/dev/null || cd /; exec "$@"';

/**
 * Runs a program without a shell, in a process group of its own, which is killed as a whole when it is late, not
 * wanted any more or too loud. One that waits for a dead mount does not even end then, and is left behind.
 */
export async function runProgram(options: ProgramOptions): Promise<ProgramEnd> {
  const { command, environment, input, clock, signal } = options;
  if (signal.aborted) return { kind: "aborted" };
  const path = findExecutable(command[0] ?? "", environment["PATH"]);
  if (path === undefined) return { kind: "not-found" };
  let child: Child;
  const { workingDirectory = "/" } = options;
  const moved = workingDirectory === "/" ? [] : ["/bin/sh", "-c", MOVE, workingDirectory];
  try {
    child = Bun.spawn([...moved, path, ...command.slice(1)], {
      env: { ...environment },
      cwd: "/",
      // Not a Blob: the file that Bun makes of it stays open until the collector comes by, which it never does in a
      // daemon that rests.
      stdin: input === undefined ? "ignore" : "pipe",
      stdout: "pipe",
      stderr: "pipe",
      detached: options.sharesGroup !== true,
    });
  } catch {
    return { kind: "not-executable" };
  }
  if (input !== undefined) writeInput(child, input);
  const stopped = Promise.withResolvers<ProgramEnd>();
  const stop = (kind: "timeout" | "aborted" | "too-long"): void => {
    kill(child, options);
    stopped.resolve({ kind });
  };
  const abort = (): void => stop("aborted");
  let timer = clock.after(options.deadline, () => stop("timeout"));
  const prolong = (): void => {
    timer.cancel();
    timer = clock.after(options.patience ?? 0, () => stop("timeout"));
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([follow(child, options, () => stop("too-long"), prolong), stopped.promise]);
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", abort);
    if (child.exitCode === null && child.signalCode === null) options.onLeft?.(child.exited);
  }
}

/** A path is taken as it is, so that one that may not be executed is told from one that is not there. */
function findExecutable(name: string, path: string | undefined): string | undefined {
  if (name.includes("/")) return name;
  return Bun.which(name, { PATH: path ?? "", cwd: "/" }) ?? undefined;
}

/** A program that ends before it has read all of it says so by its end. */
function writeInput({ stdin }: Child, input: string): void {
  try {
    void Promise.allSettled([stdin?.write(input), stdin?.end()]);
  } catch {}
}

/** Its output, and how it ended by itself. */
async function follow(
  child: Child,
  options: ProgramOptions,
  tooLong: () => void,
  prolong: () => void,
): Promise<ProgramEnd> {
  const { clock, largestOutput, saysOneLine = false } = options;
  const [out, err] = [child.stdout, child.stderr].map((stream) => stream.getReader()) as [Reader, Reader];
  void child.exited.then(() => clock.after(LINGERING, () => void Promise.allSettled([out.cancel(), err.cancel()])));
  const complaining = readTail(err);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const read of chunksOf(out)) {
    const isProlonged = length === 0 && options.patience !== undefined && read[0] === NEWLINE;
    if (isProlonged) prolong();
    const chunk = isProlonged ? read.subarray(1) : read;
    length += chunk.length;
    if (length > largestOutput) {
      tooLong();
      break;
    }
    chunks.push(chunk);
    if (saysOneLine && chunk.includes(NEWLINE)) return { kind: "ended", exit: 0, stdout: textOf(chunks), stderr: "" };
  }
  const exit = await child.exited;
  // What succeeded has nothing to complain of, and may have left something behind that keeps its stderr open.
  return { kind: "ended", exit, stdout: textOf(chunks), stderr: exit === 0 ? "" : await complaining };
}

function textOf(chunks: readonly Uint8Array[]): string {
  return Buffer.concat(chunks).toString("utf8");
}

async function readTail(reader: Reader): Promise<string> {
  let text = "";
  for await (const chunk of chunksOf(reader)) text = (text + Buffer.from(chunk).toString("utf8")).slice(-COMPLAINT);
  return text;
}

type Reader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

async function* chunksOf(reader: Reader): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** `detached` made the child the leader of a group of the same number. */
function kill(child: Child, { sharesGroup }: ProgramOptions): void {
  try {
    if (sharesGroup === true) child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // No process is left in it.
  }
}
