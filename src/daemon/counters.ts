// The numbers of `status`.

/** How many calls the percentiles look back on. */
const WINDOW = 256;

export class Counters {
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
