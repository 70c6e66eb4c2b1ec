// A log up to a rate: whatever a peer can cause as often as it likes must not rotate the evidence out of the file.
import type { Clock } from "./clock.ts";
import type { Log, LogLevel } from "./log.ts";

/** Lines of one event for each window; what is above is counted in one line at the window's end. */
const LINES_PER_WINDOW = 20;
/** Milliseconds. At 20 lines a second a flood needs more than an hour for the 20 MB that are kept. */
const WINDOW = 1000;

/** `log` for the parts that peers talk to. Events are limited one by one, so that no flood hides another event. */
export function limitLog(log: Log, clock: Clock): Log {
  const written = new Map<string, number>();

  function close(level: LogLevel, event: string): void {
    const count = (written.get(event) ?? 0) - LINES_PER_WINDOW;
    written.delete(event);
    if (count > 0) log(level, "lines left out", { of: event, count });
  }

  return (level, event, fields) => {
    const before = written.get(event) ?? 0;
    if (before === 0) clock.after(WINDOW, () => close(level, event));
    written.set(event, before + 1);
    if (before < LINES_PER_WINDOW) log(level, event, fields);
  };
}
