// A program that is run for its output: with a deadline, a limit, and an end for everything it started.
import { existsSync } from "node:fs";
import type { Clock } from "../daemon/clock.ts";

export interface ProgramOptions {
  /** The first element is a path, or a name that is looked up in the environment's PATH. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Written to its stdin, which is then closed; secrets travel here. */
  readonly input?: string | undefined;
  /** Milliseconds. */
  readonly deadline: number;
  /** Bytes of stdout. */
  readonly largestOutput: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** How it ended. `stdout` is whole only where the program ended by itself. */
export type ProgramEnd =
  | { readonly kind: "ended"; readonly exit: number; readonly stdout: string }
  | { readonly kind: "not-found" | "not-executable" | "timeout" | "aborted" | "too-long" };

type Child = Bun.Subprocess<"ignore" | "pipe", "pipe", "ignore" | "pipe">;

/**
 * For a stream that nobody reads: /dev/null, and in an empty root, which has none, a pipe. What may say more than a
 * pipe holds, 64 KiB, is a program, and an empty root has no others.
 */
export function nowhere(): "ignore" | "pipe" {
  return existsSync("/dev/null") ? "ignore" : "pipe";
}

/** Milliseconds for which output may follow the end of a program: whatever it left behind may keep its stdout open for ever. */
const LINGERING = 1_000;

/**
 * Runs a program without a shell, in a process group of its own, which is killed as a whole when it is late, not
 * wanted any more or too loud. Its stderr is thrown away: it may hold secrets, and belongs to nobody here.
 */
export async function runProgram(options: ProgramOptions): Promise<ProgramEnd> {
  const { command, environment, input, clock, signal } = options;
  if (signal.aborted) return { kind: "aborted" };
  const path = findExecutable(command[0] ?? "", environment["PATH"]);
  if (path === undefined) return { kind: "not-found" };
  let child: Child;
  try {
    child = Bun.spawn([path, ...command.slice(1)], {
      env: { ...environment },
      // Not the daemon's directory, which is nobody's choice, nor the requester's, which the daemon does not know.
      cwd: "/",
      // Not a Blob: the file that Bun makes of it stays open until the collector comes by, which it never does in a
      // daemon that rests.
      stdin: input === undefined ? "ignore" : "pipe",
      stdout: "pipe",
      stderr: nowhere(),
      detached: true,
    });
  } catch {
    return { kind: "not-executable" };
  }
  if (input !== undefined) writeInput(child, input);
  let cause: "timeout" | "aborted" | "too-long" | undefined;
  const stop = (why: typeof cause): void => {
    cause ??= why;
    killGroup(child.pid);
  };
  const abort = (): void => stop("aborted");
  const timer = clock.after(options.deadline, () => stop("timeout"));
  signal.addEventListener("abort", abort, { once: true });
  try {
    const stdout = await readOutput(child, options, () => stop("too-long"));
    const exit = await child.exited;
    return cause === undefined ? { kind: "ended", exit, stdout } : { kind: cause };
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", abort);
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

async function readOutput(
  child: Child,
  { clock, largestOutput }: ProgramOptions,
  tooLong: () => void,
): Promise<string> {
  const reader = child.stdout.getReader();
  void child.exited.then(() => clock.after(LINGERING, () => void reader.cancel()));
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > largestOutput) {
      tooLong();
      await reader.cancel();
      break;
    }
    chunks.push(value);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** `detached` made the child the leader of a group of the same number. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left in it.
  }
}
