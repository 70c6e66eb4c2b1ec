// What requesters' files say, and source credentials, kept for a short time: a thousand configs that share a profile
// resolve it once.
import type { Clock } from "../clock.ts";
import type { Chain, ChainRequest } from "./resolve/chain.ts";
import { givenUp } from "./resolve/child-slots.ts";
import { keyOfSurroundings, type Surroundings } from "../surroundings.ts";

/** Milliseconds: long enough for a burst of renewals, short enough that `aws sso login` or an edited file is seen. */
export const LONGEST_KEEP = 60_000;
/** Milliseconds before their end at which credentials are resolved anew, as the SDK does. */
const MARGIN = 300_000;

/** `name` is no part of what it means: it marks the chain, and stands in what a person is told. */
export interface SourceRequest extends Pick<
  ChainRequest,
  "name" | "profile" | "wants" | "verify" | "environment" | "asksSurroundings" | "timeout" | "webIdentity"
> {
  readonly surroundings: Surroundings | undefined;
  readonly signal: AbortSignal;
}

/** What comes of requests, each made by one flight, however many ask at once, and kept for a time of its own. */
export interface FlightCache<Request, Result> {
  /** What is kept, or comes of the flight that is under way, or of a new one. */
  get(request: Request): Promise<Result>;
  /** What is kept; undefined where a flight would have to be made, or waited for. */
  kept(request: Request): Result | undefined;
  /** Any that is kept and of which this is true. */
  find(isIt: (result: Result) => boolean): Result | undefined;
  /** Keeps what was obtained without a flight. */
  put(request: Request, result: Result): void;
  /** Forgets a result if it is still kept; what came since then stays. Returns whether it was. */
  drop(result: Result): boolean;
  /** Forgets every result of which this is true. */
  dropWhere(isOver: (result: Result) => boolean): void;
}

export interface FlightCacheOptions<Request, Result> {
  readonly clock: Clock;
  readonly keyOf: (request: Request) => string;
  /** Milliseconds. */
  readonly keepFor: (result: Result, now: number) => number;
  /** @param onLeft to be told of a child that has not ended with its answer */
  readonly work: (request: Request, onLeft: (ended: Promise<unknown>) => void) => Promise<Result>;
}

interface Entry<Result> {
  readonly flight: Promise<Result>;
  readonly controller: AbortController;
  waiting: number;
  /** Set when the flight has landed. */
  result: Result | undefined;
  /** Milliseconds since the epoch. */
  keepUntil: number;
}

export type SourceCache = FlightCache<SourceRequest, Chain>;

export function createSourceCache(clock: Clock, work: FlightCacheOptions<SourceRequest, Chain>["work"]): SourceCache {
  return createFlightCache({ clock, keyOf: keyOfSource, keepFor: keepSource, work });
}

export function createFlightCache<Request extends { readonly signal: AbortSignal }, Result extends object>({
  clock,
  keyOf,
  keepFor,
  work,
}: FlightCacheOptions<Request, Result>): FlightCache<Request, Result> {
  const entries = new Map<string, Entry<Result>>();
  /** Failures whose child is still there, in the hands of a dead mount: another would only join it. */
  const stuck = new Map<string, { readonly error: unknown; readonly ended: Promise<unknown> }>();

  function forget(key: string, entry: Entry<Result>): void {
    if (entries.get(key) === entry) entries.delete(key);
  }

  function start(key: string, request: Request): Entry<Result> {
    const controller = new AbortController();
    let left: Promise<unknown> | undefined;
    const flight = work({ ...request, signal: controller.signal }, (ended) => (left = ended));
    const entry: Entry<Result> = { flight, controller, waiting: 0, result: undefined, keepUntil: 0 };
    entries.set(key, entry);
    void land(key, entry, () => left);
    return entry;
  }

  async function land(key: string, entry: Entry<Result>, left: () => Promise<unknown> | undefined): Promise<void> {
    try {
      keep(key, entry, await entry.flight);
    } catch (error) {
      // The requests for the flight are told why; a failure is not kept here.
      forget(key, entry);
      const ended = left();
      if (ended === undefined || entry.controller.signal.aborted) return;
      stuck.set(key, { error, ended });
      void ended.then(() => stuck.delete(key));
    }
  }

  function keep(key: string, entry: Entry<Result>, result: Result): void {
    const time = keepFor(result, clock.wall());
    entry.result = result;
    entry.keepUntil = clock.wall() + time;
    // Secrets leave when their time is over, not with the next request.
    clock.after(time, () => forget(key, entry));
  }

  function usable(key: string): Entry<Result> | undefined {
    const found = entries.get(key);
    return found?.result === undefined || clock.wall() < found.keepUntil ? found : undefined;
  }

  return {
    async get(request) {
      const key = keyOf(request);
      const left = stuck.get(key);
      if (left !== undefined && !(await endsSoon(left.ended, clock))) throw left.error;
      const entry = usable(key) ?? start(key, request);
      entry.waiting += 1;
      try {
        return await untilAborted(entry.flight, request.signal, givenUp);
      } finally {
        entry.waiting -= 1;
        if (entry.waiting === 0 && entry.result === undefined) {
          forget(key, entry);
          entry.controller.abort();
        }
      }
    },
    kept: (request) => usable(keyOf(request))?.result,
    find: (isIt) => [...entries.keys()].flatMap((key) => usable(key)?.result ?? []).find(isIt),
    put(request, result) {
      const key = keyOf(request);
      const flight = Promise.resolve(result);
      const entry = { flight, controller: new AbortController(), waiting: 0, result, keepUntil: 0 };
      entries.set(key, entry);
      keep(key, entry, result);
    },
    drop(result) {
      const key = [...entries.keys()].find((each) => entries.get(each)?.result === result);
      return key !== undefined && entries.delete(key);
    },
    dropWhere(isOver) {
      for (const [key, { result }] of entries) if (result !== undefined && isOver(result)) entries.delete(key);
    },
  };
}

function keepSource({ source, token }: Chain, now: number): number {
  // Its maker may have replaced it by the next call.
  if (token !== undefined) return 0;
  return keepUntil(source?.credentials.expiresAt, now);
}

/** Milliseconds for which credentials are kept. */
export function keepUntil(expiresAt: number | undefined, now: number): number {
  return expiresAt === undefined ? LONGEST_KEEP : Math.max(0, Math.min(LONGEST_KEEP, expiresAt - MARGIN - now));
}

/** A hash, because the environment may hold secrets that need not be kept for the sake of a key. */
function keyOfSource({
  profile,
  wants,
  verify,
  environment,
  surroundings,
  asksSurroundings,
  webIdentity,
}: SourceRequest): string {
  const variables = [sorted(environment), surroundings && keyOfSurroundings(surroundings), asksSurroundings];
  return new Bun.CryptoHasher("sha256")
    .update(JSON.stringify([profile ?? null, wants, verify ?? null, variables, webIdentity ?? null]))
    .digest("base64");
}

function sorted(variables: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(variables).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** The result of `work`; on an abort its reason, whether `work` heeds the signal or not. */
export async function untilAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
  reason = () => signal.reason as Error,
): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(reason());
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Milliseconds: a child that has answered ends in a few, on a busy machine in some more; one at a dead mount never. */
const ENDING = 500;

async function endsSoon(ended: Promise<unknown>, clock: Clock): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = clock.after(ENDING, () => late.resolve(false));
  try {
    return await Promise.race([ended.then(() => true), late.promise]);
  } finally {
    timer.cancel();
  }
}
