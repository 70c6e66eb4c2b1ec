// Whether the files have changed that source credentials come from. No file is opened; but a mount that is dead does not
// even answer that, and keeps the thread that asks. So a child looks (files/reader.ts), which can be left behind: the
// daemon's own threads are few, and whatever it reads and starts needs one.
import type { Clock, Timer } from "../../clock.ts";
import { stampForeign } from "../../files/foreign.ts";
import { readLines } from "../../text/lines.ts";
import { sharedPaths } from "./profile.ts";
import { nowhere } from "../run-program.ts";
import type { SourceEnvironment } from "../source.ts";

/** Milliseconds that a request waits: a child starts in some 30, on a busy machine in ten times as many. */
const PATIENCE = 2_000;
/** Milliseconds for which what did not answer is not looked at again. */
const PAUSE = 10_000;
/** Milliseconds without a question after which the child ends. */
const IDLE = 5_000;
/** Bytes of an answer: two directories of 256 files. */
const LARGEST_STAMP = 256 * 1024;

/** Two that differ are two states of the files that an environment names, and of its sign-ins; undefined: not known. */
export type StampSources = (environment: SourceEnvironment) => Promise<string | undefined>;
type StampPaths = (paths: readonly string[]) => Promise<string | undefined>;

type Child = Bun.Subprocess<"pipe", "pipe", "ignore" | "pipe">;

/** @param command what starts a reader of files that is asked for stamps */
export function createStamps(
  clock: Clock,
  command: readonly string[],
): { readonly stamp: StampSources; readonly stampPaths: StampPaths } {
  const waiting = new Map<number, (stamp: string | undefined) => void>();
  const underWay = new Map<string, Promise<string | undefined>>();
  /** By what they are of, on the monotonic clock. */
  const pausedUntil = new Map<string, number>();
  let child: Child | undefined;
  let idle: Timer | undefined;
  let last = 0;

  function start(): Child {
    const started = Bun.spawn([...command], {
      env: {},
      cwd: "/",
      stdin: "pipe",
      stdout: "pipe",
      stderr: nowhere(),
      detached: true,
    });
    started.unref();
    void attend(started);
    return started;
  }

  async function attend(own: Child): Promise<void> {
    try {
      for await (const line of readLines(own.stdout, LARGEST_STAMP)) {
        const { id, stamp } = JSON.parse(line) as { id: number; stamp: string };
        waiting.get(id)?.(stamp);
      }
    } catch {
      own.kill("SIGKILL");
    }
    if (child === own) leave();
  }

  /** One that hangs ends when its mount lets it; the next question is another child's. */
  function leave(): void {
    child?.kill("SIGKILL");
    child = undefined;
    idle?.cancel();
    for (const settle of waiting.values()) settle(undefined);
  }

  function look(key: string, paths: readonly string[]): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    last += 1;
    const id = last;
    const timer = clock.after(PATIENCE, () => {
      pausedUntil.set(key, clock.monotonic() + PAUSE);
      leave();
    });
    waiting.set(id, (stamp) => {
      timer.cancel();
      waiting.delete(id);
      underWay.delete(key);
      idle?.cancel();
      if (waiting.size === 0) idle = clock.after(IDLE, leave);
      resolve(stamp);
    });
    try {
      child ??= start();
      void Promise.allSettled([child.stdin.write(`${JSON.stringify({ id, paths })}\n`), child.stdin.flush()]);
    } catch {
      waiting.get(id)?.(undefined);
    }
    return promise;
  }

  const stampPaths: StampPaths = async (paths) => {
    if (paths.length === 0) return "";
    const key = paths.join("\0");
    if (clock.monotonic() < (pausedUntil.get(key) ?? -Infinity)) return undefined;
    pausedUntil.delete(key);
    const looking = underWay.get(key) ?? look(key, paths);
    // One that was settled at once is under way no more.
    if (waiting.size > 0) underWay.set(key, looking);
    return looking;
  };
  return { stamp: (environment) => stampPaths(pathsOf(environment)), stampPaths };
}

/** As the child says it, for a process that may itself be left behind. */
export async function stampHere(paths: readonly string[], clock: Clock): Promise<string | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = clock.after(PATIENCE, () => resolve(undefined));
  try {
    return await Promise.race([stampForeign(paths), late]);
  } finally {
    timer.cancel();
  }
}

function pathsOf(environment: SourceEnvironment): string[] {
  const home = environment["HOME"];
  const caches = home === undefined ? [] : [`${home}/.aws/sso/cache`, `${home}/.aws/login/cache`];
  return [...sharedPaths(environment), ...caches, environment["AWS_LOGIN_CACHE_DIRECTORY"]].filter(
    (path) => path !== undefined,
  );
}
