// A line in the log for every vend, up to a rate: a tool in a loop must not rotate the evidence out of the log.
import type { Clock, Timer } from "./clock.ts";
import type { Caller } from "./dispatcher.ts";
import type { Log } from "./log.ts";

/** Lines for each window; what is above is counted in one line at the window's end. */
const LINES_PER_WINDOW = 20;
/** Milliseconds. */
const WINDOW = 1000;

export class VendLog {
  readonly #clock: Clock;
  readonly #log: Log;
  #window: Timer | undefined;
  #written = 0;
  #unwritten = 0;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  record(config: string, accessKeyId: string, caller: Caller): void {
    this.#window ??= this.#clock.after(WINDOW, () => this.#close());
    if (this.#written >= LINES_PER_WINDOW) {
      this.#unwritten += 1;
      return;
    }
    this.#written += 1;
    const { pid, uid, connection } = caller;
    this.#log("info", "credentials vended", { config, accessKeyId, pid, uid, connection });
  }

  #close(): void {
    this.#window = undefined;
    this.#written = 0;
    if (this.#unwritten > 0) this.#log("info", "more credentials vended", { count: this.#unwritten });
    this.#unwritten = 0;
  }
}
