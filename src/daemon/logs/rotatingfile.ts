// A file of lines that rotates by size: FILE, FILE.1 … FILE.N, from young to old.
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import { isErrno } from "../../errors.ts";
import { isAt } from "../../files/identity.ts";
import { KEPT_LOGS, ROTATE_AT, rotatedPath } from "../../files/reading.ts";
import { openOwnFile } from "../../files/writing.ts";
import type { Clock } from "../../clock.ts";
import { cut, escapeControls } from "../../text/controls.ts";
import type { Log } from "../../server/log.ts";
import type { PinnedHome } from "../../server/watch-socket.ts";

export interface RotatingOptions {
  readonly path: string;
  /** For the error: `log file`. */
  readonly what: string;
  /** Bytes. */
  readonly rotateAt: number;
  /** How many old files are kept. */
  readonly kept: number;
  readonly clock: Clock;
  /** Where the file is: in another one nothing is opened or renamed. */
  readonly home: Pick<PinnedHome, "isReplaced">;
  /** Called with the path of the oldest file before it is dropped; where it throws, nothing is. */
  readonly beforeDrop?: ((oldest: string) => void) | undefined;
}

export interface RotatingFile {
  /**
   * A full disk costs lines, never anything else; the next line tries again. Where the file cannot be rotated only what
   * is `essential` is still written, so that it stays bounded.
   */
  append(line: string, essential?: boolean): void;
  /**
   * Writes a line with all others of this turn of the event loop, in one call, when everything that arrived was taken up.
   * Resolves when they are written, or lost as `append` has it.
   */
  appendSoon(line: string): Promise<void>;
  /** Opens the file anew, after an administrator moved it away. */
  reopen(): void;
  close(): void;
}

/** Milliseconds between two looks whether the file still has its name, and two attempts to rotate it. */
const INTERVAL = 1000;

/** Lines that are written at once, so that a file is not much longer than it is to be. */
const MOST_LINES = 256;

/** @throws KeyholeError `unsafe-path` if the file cannot be opened for writing, or is a link. */
export function openRotatingFile(options: RotatingOptions): RotatingFile {
  const { path, rotateAt, kept, clock, home } = options;
  let descriptor = open(path);
  let size = 0;
  /** The last line was cut, by a crash or a full disk: the next one begins on a line of its own. */
  let isTorn = false;
  let lookedAt = clock.monotonic();
  let failedAt = -Infinity;
  /** Lines of this turn. */
  let turn: { readonly lines: string[]; readonly written: PromiseWithResolvers<void> } | undefined;
  measure();

  function open(name: string): number {
    return openOwnFile(name, constants.O_WRONLY | constants.O_APPEND, options.what);
  }

  function measure(): void {
    size = fstatSync(descriptor).size;
    isTorn = size > 0 && lastByte(path, size) !== 0x0a;
  }

  function take(next: number): void {
    closeSync(descriptor);
    descriptor = next;
    measure();
  }

  /** The next file is opened first: where that fails, as on a full disk, no old one is pushed out for nothing. */
  function rotate(): void {
    const next = `${path}.next`;
    const opened = open(next);
    try {
      const isFull = [kept - 1, kept].every((index) => isThere(rotatedPath(path, index)));
      if (isFull) options.beforeDrop?.(rotatedPath(path, kept));
      for (let index = kept - 1; index >= 1; index--)
        renameIfThere(rotatedPath(path, index), rotatedPath(path, index + 1));
      renameIfThere(path, rotatedPath(path, 1));
      renameIfThere(next, path);
    } catch (error) {
      closeSync(opened);
      throw error;
    }
    take(opened);
  }

  function hasRotated(): boolean {
    if (clock.monotonic() - failedAt < INTERVAL || home.isReplaced) return false;
    try {
      rotate();
      return true;
    } catch {
      failedAt = clock.monotonic();
      return false;
    }
  }

  /** Another daemon of the same home may have rotated the file, and an administrator may have moved it. */
  function follow(): void {
    lookedAt = clock.monotonic();
    if (isAt(path, fstatSync(descriptor)) || home.isReplaced) return;
    try {
      take(open(path));
    } catch {
      // What stands there now is not to be written to: the old file goes on.
    }
  }

  function write(lines: string, essential: boolean): void {
    const bytes = Buffer.from(`${isTorn ? "\n" : ""}${lines}\n`);
    try {
      if (essential || clock.monotonic() - lookedAt >= INTERVAL) follow();
      if (size + bytes.length > rotateAt && size > 0 && !hasRotated() && !essential) return;
      const written = writeSync(descriptor, bytes);
      size += written;
      isTorn = written < bytes.length;
    } catch {
      // As promised.
    }
  }

  function endTurn(): void {
    if (turn === undefined) return;
    const { lines, written } = turn;
    turn = undefined;
    write(lines.join("\n"), false);
    written.resolve();
  }

  function beginTurn() {
    setImmediate(endTurn);
    return { lines: [], written: Promise.withResolvers<void>() };
  }

  return {
    append: (line, essential = false) => {
      endTurn();
      write(line, essential);
    },
    appendSoon: (line) => {
      turn ??= beginTurn();
      const { lines, written } = turn;
      lines.push(line);
      if (lines.length === MOST_LINES) endTurn();
      return written.promise;
    },
    reopen: () => {
      endTurn();
      if (!home.isReplaced) take(open(path));
    },
    close: () => {
      endTurn();
      closeSync(descriptor);
    },
  };
}

/** Of a file that is open for writing alone. Undefined if it is not to be read. */
function lastByte(path: string, size: number): number | undefined {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const byte = Buffer.alloc(1);
    const count = readSync(descriptor, byte, 0, 1, size - 1);
    closeSync(descriptor);
    return count === 1 ? byte[0] : undefined;
  } catch {
    return undefined;
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

// A line of JSON for a file that people read: no input can forge a line or reach a terminal as an escape sequence.

/** No text is longer, in characters: a name from the wire may be 64 KiB of anything. */
const LONGEST_TEXT = 512;

/**
 * Without the newline.
 *
 * @param hide leaves out of a text what must not be written down
 */
export function formatJsonLine(value: object, hide: (text: string) => string): string {
  const line = JSON.stringify(value);
  // A function that is called for every member takes ten times as long, and a grant's vend waits for its line.
  if (line.length <= LONGEST_TEXT) return escapeControls(hide(line));
  const shortened = JSON.stringify(value, (_, member: unknown) =>
    typeof member === "string" ? cut(hide(member), LONGEST_TEXT) : member,
  );
  return escapeControls(shortened);
}

// The daemon's log: a file of JSON lines that rotates by size.

export interface LogFile {
  readonly log: Log;
  /** Opens the file anew, after an administrator moved it away. */
  reopen(): void;
  close(): void;
}

export interface LogFileOptions extends Pick<RotatingOptions, "path" | "clock" | "home"> {
  /** Leaves out of a text what must not be written down. */
  readonly hide: (text: string) => string;
  /** KEYHOLE_DISABLE_DISK_LOGS: nothing is opened and nothing written. */
  readonly disabled: boolean;
}

/** @throws KeyholeError `unsafe-path` if the file cannot be opened for writing, or is a link. */
export function openLogFile({ path, clock, home, hide, disabled }: LogFileOptions): LogFile {
  if (disabled) return { log: () => {}, reopen: () => {}, close: () => {} };
  const file = openRotatingFile({ path, what: "log file", rotateAt: ROTATE_AT, kept: KEPT_LOGS, clock, home });
  return {
    log: (level, event, fields) => {
      const time = new Date(clock.wall()).toISOString();
      file.append(formatJsonLine({ time, level, event, ...fields }, hide));
    },
    reopen: () => file.reopen(),
    close: () => file.close(),
  };
}
