// What requesters' files say, and source credentials, kept for a short time: a thousand configs that share a profile
// resolve it once.
import type { Clock } from "../clock.ts";
import type { Chain, ChainRequest } from "./chain.ts";
import type { ResolvedSource } from "./known.ts";
import { givenUp } from "./places.ts";
import type { Surroundings } from "../surroundings.ts";

/** Milliseconds: long enough for a burst of renewals, short enough that `aws sso login` or an edited file is seen. */
const LONGEST_KEEP = 60_000;
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

export interface SourceCache {
  /** What is kept, or comes of the flight that is under way, or of a new one. */
  get(request: SourceRequest): Promise<Chain>;
  /** Forgets `source`, which AWS refused; what was resolved since then stays. */
  drop(request: SourceRequest, source: ResolvedSource): void;
}

/** @param onLeft to be told of a child that has not ended with its answer */
export type Resolve = (request: SourceRequest, onLeft: (ended: Promise<unknown>) => void) => Promise<Chain>;

interface Entry {
  readonly flight: Promise<Chain>;
  readonly controller: AbortController;
  waiting: number;
  /** Set when the flight has landed. */
  chain: Chain | undefined;
  /** Milliseconds since the epoch. */
  keepUntil: number;
}

export function createSourceCache(clock: Clock, resolve: Resolve): SourceCache {
  const entries = new Map<string, Entry>();
  /** Failures whose child is still there, in the hands of a dead mount: another would only join it. */
  const stuck = new Map<string, unknown>();

  function forget(key: string, entry: Entry): void {
    if (entries.get(key) === entry) entries.delete(key);
  }

  function start(key: string, request: SourceRequest): Entry {
    const controller = new AbortController();
    let left: Promise<unknown> | undefined;
    const flight = resolve({ ...request, signal: controller.signal }, (ended) => (left = ended));
    const entry: Entry = { flight, controller, waiting: 0, chain: undefined, keepUntil: 0 };
    entries.set(key, entry);
    void land(key, entry, () => left);
    return entry;
  }

  async function land(key: string, entry: Entry, left: () => Promise<unknown> | undefined): Promise<void> {
    try {
      const chain = await entry.flight;
      const keep = keepFor(chain, clock.wall());
      entry.chain = chain;
      entry.keepUntil = clock.wall() + keep;
      // Secrets leave when their time is over, not when somebody asks next.
      clock.after(keep, () => forget(key, entry));
    } catch (error) {
      // Whoever asked for the flight is told why; a failure is not kept here.
      forget(key, entry);
      const ended = left();
      if (ended === undefined || entry.controller.signal.aborted) return;
      stuck.set(key, error);
      void ended.then(() => stuck.delete(key));
    }
  }

  return {
    async get(request) {
      const key = keyOf(request);
      if (stuck.has(key)) throw stuck.get(key);
      const found = entries.get(key);
      const usable = found !== undefined && (found.chain === undefined || clock.wall() < found.keepUntil);
      const entry = usable ? found : start(key, request);
      entry.waiting += 1;
      try {
        return await untilAborted(entry.flight, request.signal);
      } finally {
        entry.waiting -= 1;
        if (entry.waiting === 0 && entry.chain === undefined) {
          forget(key, entry);
          entry.controller.abort();
        }
      }
    },
    drop(request, source) {
      const key = keyOf(request);
      if (entries.get(key)?.chain?.source === source) entries.delete(key);
    },
  };
}

function keepFor({ source, token }: Chain, now: number): number {
  // Its maker may have replaced it by the next call.
  if (token !== undefined) return 0;
  const expiresAt = source?.credentials.expiresAt;
  return expiresAt === undefined ? LONGEST_KEEP : Math.max(0, Math.min(LONGEST_KEEP, expiresAt - MARGIN - now));
}

/** A hash, because the environment may hold secrets that need not be kept for the sake of a key. */
function keyOf({
  profile,
  wants,
  verify,
  environment,
  surroundings,
  asksSurroundings,
  webIdentity,
}: SourceRequest): string {
  const variables = [
    sorted(environment),
    sorted(surroundings?.variables),
    surroundings?.workingDirectory,
    asksSurroundings,
  ];
  return new Bun.CryptoHasher("sha256")
    .update(JSON.stringify([profile ?? null, wants, verify ?? null, variables, webIdentity ?? null]))
    .digest("base64");
}

function sorted(variables: Readonly<Record<string, string>> = {}): readonly (readonly [string, string])[] {
  return Object.entries(variables).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

async function untilAborted<T>(flight: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(givenUp());
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([flight, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
