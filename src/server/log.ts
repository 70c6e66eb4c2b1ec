// What the daemon's parts say about themselves. The file behind it is file.ts.
import type { Clock } from "../clock.ts";

/** Values of a log line. Never a secret; text from outside is escaped where it is written. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** From the least to the most important. */
export type LogLevel = "info" | "warn" | "error";

/** `event` is a fixed phrase (`session renewed`), never built from input; what varies goes into the fields. */
export type Log = (level: LogLevel, event: string, fields?: LogFields) => void;

// A log up to a rate: whatever a peer can cause as often as it likes must not rotate the evidence out of the file.

/** Lines of one event for each window; what is above is counted in one line at the window's end. */
const LINES_PER_WINDOW = 20;
/** Milliseconds. At 20 lines a second a flood needs more than an hour for the 20 MB that are kept. */
const WINDOW = 1000;

/** A log whose lines may be left out: their fields may be a function, which then is not called. */
export type LimitedLog = (level: LogLevel, event: string, fields?: LogFields | (() => LogFields)) => void;

/** `log` for the parts that peers talk to. Events are limited one by one, so that no flood hides another event. */
export function limitLog(log: Log, clock: Clock): LimitedLog {
  /** By event; in an object, so that the map is not written for every line. */
  const windows = new Map<string, { lines: number }>();

  function open(level: LogLevel, event: string): { lines: number } {
    const window = { lines: 0 };
    windows.set(event, window);
    clock.after(WINDOW, () => {
      windows.delete(event);
      const count = window.lines - LINES_PER_WINDOW;
      if (count > 0) log(level, "lines left out", { of: event, count });
    });
    return window;
  }

  return (level, event, fields) => {
    const window = windows.get(event) ?? open(level, event);
    window.lines += 1;
    if (window.lines > LINES_PER_WINDOW) return;
    log(level, event, typeof fields === "function" ? fields() : fields);
  };
}
