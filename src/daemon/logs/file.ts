// The daemon's log: a file of JSON lines that rotates by size.
import { KEPT_LOGS } from "../../paths.ts";
import type { Clock } from "../../clock.ts";
import { formatJsonLine } from "./jsonline.ts";
import type { Log } from "../../server/log.ts";
import { openRotatingFile } from "./rotatingfile.ts";

/** Bytes at which the file is rotated. */
const ROTATE_AT = 5 * 1000 * 1000;

export interface LogFile {
  readonly log: Log;
  /** Opens the file anew, after an administrator moved it away. */
  reopen(): void;
  close(): void;
}

/**
 * @param hide leaves out of a text what must not be written down
 * @param disabled KEYHOLE_DISABLE_DISK_LOGS: nothing is opened and nothing written
 * @throws KeyholeError `unsafe-path` if the file cannot be opened for writing, or is a link.
 */
export function openLogFile(path: string, clock: Clock, hide: (text: string) => string, disabled = false): LogFile {
  if (disabled) return { log: () => {}, reopen: () => {}, close: () => {} };
  const file = openRotatingFile({ path, what: "log file", rotateAt: ROTATE_AT, kept: KEPT_LOGS, clock });
  return {
    log: (level, event, fields) => {
      const time = new Date(clock.wall()).toISOString();
      file.append(formatJsonLine({ time, level, event, ...fields }, hide));
    },
    reopen: () => file.reopen(),
    close: () => file.close(),
  };
}
