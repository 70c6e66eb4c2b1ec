// The daemon's log: a file of JSON lines that rotates by size. Control characters are escaped, so no input can forge
// a line or reach a terminal as an escape sequence.
import { closeSync, constants, fstatSync, renameSync, writeSync } from "node:fs";
import { escapeControls } from "../controls.ts";
import { isErrno } from "../errno.ts";
import { openOwnFile } from "../files/writing.ts";
import { KEPT_LOGS } from "../paths.ts";
import type { Clock } from "./clock.ts";
import type { Log, LogFields } from "./log.ts";

/** Bytes at which the file is rotated (DESIGN.md, 4). */
const ROTATE_AT = 5 * 1000 * 1000;
/** No field is longer, in characters: a name from the wire may be 64 KiB of anything. */
const LONGEST_FIELD = 512;

export interface LogFile {
  readonly log: Log;
  /** Opens the file anew, after an administrator moved it away. */
  reopen(): void;
  close(): void;
}

/** @throws KeyholeError `unsafe-path` if the file cannot be opened for writing, or is a link. */
export function openLogFile(path: string, clock: Clock): LogFile {
  let descriptor = openForAppend(path);
  let size = fstatSync(descriptor).size;

  /** The next file is opened first: where that fails, as on a full disk, no old one is pushed out for nothing. */
  function rotate(): void {
    const next = `${path}.next`;
    const opened = openForAppend(next);
    for (let index = KEPT_LOGS - 1; index >= 1; index--) renameIfThere(`${path}.${index}`, `${path}.${index + 1}`);
    renameIfThere(path, `${path}.1`);
    renameIfThere(next, path);
    take(opened);
  }

  function reopen(): void {
    take(openForAppend(path));
  }

  function take(next: number): void {
    closeSync(descriptor);
    descriptor = next;
    size = fstatSync(descriptor).size;
  }

  return {
    log: (level, event, fields) => {
      const line = Buffer.from(`${formatLine(clock.wall(), level, event, fields)}\n`);
      try {
        if (size + line.length > ROTATE_AT && size > 0) rotate();
        size += writeSync(descriptor, line);
      } catch {
        // A full disk costs log lines, never credentials. The next line tries again.
      }
    },
    reopen,
    close: () => closeSync(descriptor),
  };
}

function formatLine(time: number, level: string, event: string, fields: LogFields | undefined): string {
  const line = JSON.stringify({ time: new Date(time).toISOString(), level, event, ...fields }, (_, value: unknown) =>
    typeof value === "string" && value.length > LONGEST_FIELD ? `${value.slice(0, LONGEST_FIELD)}…` : value,
  );
  return escapeControls(line);
}

function openForAppend(path: string): number {
  return openOwnFile(path, constants.O_WRONLY | constants.O_APPEND, "log file");
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
