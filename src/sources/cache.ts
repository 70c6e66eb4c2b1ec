// Resolved source credentials, kept for a short time: a thousand configs that share a profile resolve it once.
import type { Clock } from "../daemon/clock.ts";
import type { ResolvedSource } from "./known.ts";
import { givenUp } from "./places.ts";
import type { SourceEnvironment } from "./source.ts";

/** Milliseconds: long enough for a burst of renewals, short enough that `aws sso login` or an edited file is seen. */
const LONGEST_KEEP = 60_000;
/** Milliseconds before their end at which credentials are resolved anew, as the SDK does. */
const MARGIN = 300_000;

export interface SourceRequest {
  /** The config's name; it marks the chain. */
  readonly name: string;
  readonly profile: string | undefined;
  readonly environment: SourceEnvironment;
  readonly signal: AbortSignal;
}

export interface SourceCache {
  /** Credentials that are kept, or those of the flight that is under way, or of a new one. */
  get(request: SourceRequest): Promise<ResolvedSource>;
  /** Forgets `source`, which AWS refused; what was resolved since then stays. */
  drop(request: SourceRequest, source: ResolvedSource): void;
}

interface Entry {
  readonly flight: Promise<ResolvedSource>;
  readonly controller: AbortController;
  waiting: number;
  /** Set when the flight has landed. */
  source: ResolvedSource | undefined;
  /** Milliseconds since the epoch. */
  keepUntil: number;
}

export function createSourceCache(
  clock: Clock,
  resolve: (request: SourceRequest) => Promise<ResolvedSource>,
): SourceCache {
  const entries = new Map<string, Entry>();

  function forget(key: string, entry: Entry): void {
    if (entries.get(key) === entry) entries.delete(key);
  }

  function start(key: string, request: SourceRequest): Entry {
    const controller = new AbortController();
    const flight = resolve({ ...request, signal: controller.signal });
    const entry: Entry = { flight, controller, waiting: 0, source: undefined, keepUntil: 0 };
    entries.set(key, entry);
    void land(key, entry);
    return entry;
  }

  async function land(key: string, entry: Entry): Promise<void> {
    try {
      const source = await entry.flight;
      const keep = keepFor(source, clock.wall());
      entry.source = source;
      entry.keepUntil = clock.wall() + keep;
      // Secrets leave when their time is over, not when somebody asks next.
      clock.after(keep, () => forget(key, entry));
    } catch {
      // Whoever asked for the flight is told why; a failure is not kept here.
      forget(key, entry);
    }
  }

  return {
    async get(request) {
      const key = keyOf(request);
      const found = entries.get(key);
      const usable = found !== undefined && (found.source === undefined || clock.wall() < found.keepUntil);
      const entry = usable ? found : start(key, request);
      entry.waiting += 1;
      try {
        return await untilAborted(entry.flight, request.signal);
      } finally {
        entry.waiting -= 1;
        if (entry.waiting === 0 && entry.source === undefined) {
          forget(key, entry);
          entry.controller.abort();
        }
      }
    },
    drop(request, source) {
      const key = keyOf(request);
      if (entries.get(key)?.source === source) entries.delete(key);
    },
  };
}

function keepFor(source: ResolvedSource, now: number): number {
  const { expiresAt } = source.credentials;
  return expiresAt === undefined ? LONGEST_KEEP : Math.max(0, Math.min(LONGEST_KEEP, expiresAt - MARGIN - now));
}

/** A hash, because the environment may hold secrets that need not be kept for the sake of a key. */
function keyOf({ profile, environment }: SourceRequest): string {
  const variables = Object.entries(environment).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Bun.CryptoHasher("sha256").update(JSON.stringify([profile ?? null, variables])).digest("base64");
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
