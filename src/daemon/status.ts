// What `daemon status` says of the daemon itself: from memory, at once, whatever STS is doing.
import type { DaemonStatus, ResponseOf } from "../wire/messages.ts";
import type { Image } from "./image.ts";
import type { Shared } from "./members/serve.ts";
import type { Sessions } from "./sessions/sessions.ts";

/** How many calls the percentiles look back on. */
const WINDOW = 256;

export class Counters {
  /** On the control socket, at this moment. */
  connections = 0;
  /** On the control socket. */
  requests = 0;
  /** Credentials handed out. */
  vends = 0;
  /** AssumeRole calls begun. */
  assumes = 0;
  /** Those that failed. */
  failures = 0;
  evictions = 0;
  readonly #latencies: number[] = [];
  #next = 0;

  /** Milliseconds that a successful AssumeRole took. */
  took(milliseconds: number): void {
    this.#latencies[this.#next] = milliseconds;
    this.#next = (this.#next + 1) % WINDOW;
  }

  /** As `status` names them. */
  list(): { readonly name: string; readonly value: number }[] {
    return [
      { name: "requests", value: this.requests },
      { name: "vends", value: this.vends },
      { name: "sts_calls", value: this.assumes },
      { name: "sts_failures", value: this.failures },
      { name: "evictions", value: this.evictions },
      { name: "sts_latency_p50_ms", value: this.percentile(0.5) },
      { name: "sts_latency_p99_ms", value: this.percentile(0.99) },
    ];
  }

  /** The nearest-rank percentile of the last 256, rounded up to whole milliseconds; 0 before the first. */
  percentile(share: number): number {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const rank = Math.max(1, Math.ceil(share * sorted.length));
    return Math.ceil(sorted[rank - 1] ?? 0);
  }
}

type OwnStatus = Omit<DaemonStatus, "sessions">;

/** What does not change while the daemon lives. */
type Fixed = Pick<OwnStatus, "startedAt" | "socket" | "log" | "configDir" | "maxSessions" | "sharedSocket" | "managed">;

export interface StatusParts extends Fixed {
  readonly self: ResponseOf<"Hello">;
  readonly sessions: Pick<Sessions, "clockSkew">;
  readonly counters: Counters;
  readonly image: Pick<Image, "notes">;
  readonly shared: Pick<Shared, "problems"> | undefined;
  readonly hasDiskLogs: boolean;
}

export function statusOf(parts: StatusParts): OwnStatus {
  const { self, sessions, counters, image, shared, hasDiskLogs, ...fixed } = parts;
  const skew = Math.round(sessions.clockSkew ?? 0);
  return {
    ...self,
    ...fixed,
    connections: counters.connections,
    residentBytes: residentBytes(),
    clockBehindMs: Math.max(0, skew),
    clockAheadMs: Math.max(0, -skew),
    notes: [...image.notes(), ...(shared?.problems() ?? [])],
    // The last one is read by `keyhole audit`.
    counters: [...counters.list(), { name: "disk_logs", value: hasDiskLogs ? 1 : 0 }],
  };
}

/** 0 on a Linux without /proc, where Bun throws: Status has to be answered there too. */
function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}
