// The daemon's log or audit as lines, across rotation: LOG.3, LOG.2, LOG.1, LOG, from old to new.
import { closeSync, fstatSync, readSync, statSync } from "node:fs";
import { KEPT_LOGS, type OpenFile, openIfFile, readLines, rotatedPath } from "../../files/reading.ts";
import { showControls } from "../../text/controls.ts";

/** Bytes read at once. */
const CHUNK = 64 * 1024;

interface LogReader {
  /** Lines since the last call, at first all that are kept. A line that is not complete yet comes later. */
  read(): string[];
  /** Whether there is a log at all. */
  readonly exists: boolean;
  /** Of the file that the first call reads, unless it was rotated before; undefined if there is none. */
  readonly inode: number | undefined;
}

/**
 * Reads on in a new file after finishing the old one. Two rotations between two calls lose what is in between; the
 * daemon would have to write 5 MB in that time.
 *
 * @param kept how many old files are read before the first
 */
export function openLog(path: string, kept = KEPT_LOGS): LogReader {
  let current = openIfFile(path);
  let offset = 0;
  let partial = "";
  let decoder = new TextDecoder();
  let old: string[] | undefined = readRotated(path, current, kept);
  const inode = current?.inode;
  const exists = current !== undefined || old.length > 0;

  function readOn(): string[] {
    if (current === undefined) return [];
    const { descriptor } = current;
    // The file was emptied in place.
    if (fstatSync(descriptor).size < offset) offset = 0;
    const buffer = new Uint8Array(CHUNK);
    for (let size = 0; (size = readSync(descriptor, buffer, 0, CHUNK, offset)) > 0; offset += size) {
      partial += decoder.decode(buffer.subarray(0, size), { stream: true });
    }
    const lines = partial.split("\n");
    partial = lines.pop() ?? "";
    return lines;
  }

  return {
    exists,
    inode,
    read: () => {
      const lines = [...(old ?? []), ...readOn()];
      old = undefined;
      if (isAnother(path, current)) {
        if (current !== undefined) closeSync(current.descriptor);
        current = openIfFile(path);
        [offset, partial, decoder] = [0, "", new TextDecoder()];
        lines.push(...readOn());
      }
      return lines;
    },
  };
}

function readRotated(path: string, current: OpenFile | undefined, kept: number): string[] {
  const lines: string[] = [];
  for (let index = kept; index >= 1; index--) {
    const old = openIfFile(rotatedPath(path, index));
    if (old === undefined) continue;
    // Rotated between the two openings: it is read as the current one.
    if (old.inode === current?.inode) closeSync(old.descriptor);
    else lines.push(...readLines(old));
  }
  return lines;
}

function isAnother(path: string, current: OpenFile | undefined): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  return named !== undefined && named.ino !== current?.inode;
}

// A line of the daemon's log as a person reads it.

/** From the least to the most important. */
export const levels = ["info", "warn", "error"] as const;

export type Level = (typeof levels)[number];

/** Whether a line is at least as important as `level`. What is no log line is always shown: it is there for a reason. */
export function isAtLeast(line: string, level: Level): boolean {
  const found = levels.findIndex((known) => known === parse(line)?.["level"]);
  return found === -1 || found >= levels.indexOf(level);
}

/** `TIME LEVEL event  key=value …`, with control characters made visible. */
export function renderLogLine(line: string): string {
  const record = parse(line);
  if (record === undefined) return showControls(line);
  const { time, level, event, ...fields } = record;
  const words = Object.entries(fields).map(([name, value]) => `${showControls(name)}=${renderValue(value)}`);
  const head = `${renderValue(time)} ${renderValue(level).toUpperCase().padEnd(5)} ${showControls(String(event))}`;
  return [head, ...words].join("  ").replaceAll("\n", String.raw`\n`);
}

function renderValue(value: unknown): string {
  const isPlain = typeof value === "string" && !/[\s"]/.test(value);
  return showControls(isPlain ? value : (JSON.stringify(value) ?? ""));
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const record: unknown = JSON.parse(line);
    if (typeof record === "object" && record !== null && "event" in record) return { ...record };
  } catch {
    // A line that was cut by a crash.
  }
  return undefined;
}
