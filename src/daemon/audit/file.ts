// Who was given what, and who was refused: a file of JSON lines that `keyhole audit` reads. It rotates by size; the
// lives of grants are carried over before a file is dropped.
import {
  type AuditEvent,
  type AuditKind,
  isKept,
  kindOfLine,
  parseRecord,
  type RecordAudit,
  toRecord,
} from "../../audit/line.ts";
import { carriedPath, KEPT_FILES } from "../../audit/history.ts";
import { openIfFile, readLines, ROTATE_AT } from "../../files/reading.ts";
import { writeAtomically } from "../../files/writing.ts";
import { formatJsonLine, type LogFileOptions, openRotatingFile } from "../logs/rotatingfile.ts";

export interface AuditFile {
  readonly record: RecordAudit;
  /** As `record`, with what else is written in this turn of the event loop; resolves when it is. */
  readonly recordSoon: (event: AuditEvent) => Promise<void>;
  /** Opens the file anew, after an administrator moved it away. */
  reopen(): void;
  close(): void;
}

/** @throws KeyholeError `unsafe-path` if the file cannot be opened for writing, or is a link. */
export function openAuditFile({ path, clock, home, hide, disabled }: LogFileOptions): AuditFile {
  if (disabled) return { record: () => {}, recordSoon: () => Promise.resolve(), reopen: () => {}, close: () => {} };
  const file = openRotatingFile({
    path,
    what: "audit file",
    rotateAt: ROTATE_AT,
    kept: KEPT_FILES,
    clock,
    home,
    beforeDrop: (oldest) => carryOver(oldest, carriedPath(path)),
  });
  /** What stands behind the time, of events that are written again. */
  const known = new WeakMap<AuditEvent, string>();
  /** The beginning of a line of one millisecond. */
  let head = { tsMs: NaN, text: "" };
  const headOf = (tsMs: number) => {
    if (tsMs !== head.tsMs) head = { tsMs, text: `{"time":"${new Date(tsMs).toISOString()}","tsMs":${tsMs},` };
    return head.text;
  };
  const lineOf = (event: AuditEvent) => {
    const now = Math.floor(clock.wall());
    let rest = known.get(event);
    if (rest === undefined) {
      const { time: _time, tsMs: _tsMs, ...record } = toRecord(event, now);
      rest = formatJsonLine(record, hide).slice(1);
      known.set(event, rest);
    }
    return headOf(now) + rest;
  };
  return {
    record: (event) => file.append(lineOf(event), isKept(event.kind)),
    recordSoon: (event) => file.appendSoon(lineOf(event)),
    reopen: () => file.reopen(),
    close: () => file.close(),
  };
}

/**
 * On the disk before the oldest file goes; a crash in between leaves the lines in both, and the next carrying and every
 * reader know them again.
 *
 * @throws KeyholeError `unsafe-path`; then nothing is dropped.
 */
function carryOver(oldest: string, target: string): void {
  const dropped = openIfFile(oldest);
  if (dropped === undefined) return;
  const carried = openIfFile(target);
  const before = carried === undefined ? [] : readLines(carried);
  const after = carry(before, readLines(dropped));
  if (after.length === before.length && after.every((line, index) => line === before[index])) return;
  writeAtomically(target, after.map((line) => `${line}\n`).join(""), { exclusive: false, durable: true });
}

// What is left of a file that rotation drops: the lives of grants, bounded.
//
// The rule. Every line about the life of a grant is carried over. When they have become too many, the lives that ended
// longest ago go first, each as a whole: a life is what was written of one name from its first line to its `remove`; a
// refused attempt is a life that ended at once. What is left then are grants that still exist; of each of these the
// first and the last line of every kind stay. So the file grows beyond its bound with the number of living grants only.

/** Bytes: about 3,000 lines. */
const CARRIED_LIMIT = 1000 * 1000;

/**
 * The lines of the new file.
 *
 * @param carried lines of the file as it is; a crash may have left lines in both, which are carried once
 * @param dropped lines of the file that is to be dropped
 */
export function carry(carried: readonly string[], dropped: readonly string[], limit = CARRIED_LIMIT): string[] {
  const known = new Set(carried);
  const added = dropped.filter((line) => isKept(kindOfLine(line) as AuditKind) && !known.has(line));
  const lines = [...carried, ...added];
  return sizeOf(lines) <= limit ? lines : bound(lines, limit);
}

/** The lines of one grant between its making and its removal, by their place among all. */
interface Life {
  readonly places: number[];
  /** Milliseconds since the epoch; undefined while the grant exists. */
  endedAt: number | undefined;
}

function bound(lines: readonly string[], limit: number): string[] {
  const lives = livesOf(lines);
  const ended = lives.filter((life) => life.endedAt !== undefined).toSorted((a, b) => a.endedAt! - b.endedAt!);
  const gone = new Set<number>();
  let size = sizeOf(lines);
  const drop = (place: number) => {
    gone.add(place);
    size -= sizeOf([lines[place]!]);
  };
  for (const { places } of ended) {
    if (size <= limit) break;
    places.forEach(drop);
  }
  if (size > limit) for (const life of lives) if (life.endedAt === undefined) between(life, lines).forEach(drop);
  return lines.filter((_, place) => !gone.has(place));
}

function livesOf(lines: readonly string[]): Life[] {
  const lives: Life[] = [];
  const open = new Map<string, Life>();
  for (const [place, line] of lines.entries()) {
    const record = parseRecord(line);
    if (record?.outcome !== "ok") {
      lives.push({ places: [place], endedAt: record?.tsMs ?? 0 });
      continue;
    }
    const name = record.grant ?? "";
    const life = open.get(name) ?? { places: [], endedAt: undefined };
    if (life.places.length === 0) lives.push(life);
    open.set(name, life);
    life.places.push(place);
    if (record.kind !== "remove") continue;
    life.endedAt = record.tsMs;
    open.delete(name);
  }
  return lives;
}

/** The places of a life's lines that have one of their kind before them and one behind. */
function between({ places }: Life, lines: readonly string[]): number[] {
  const kindAt = (place: number) => kindOfLine(lines[place]!);
  return places.filter((place, index) => {
    const isAlike = (other: number) => kindAt(other) === kindAt(place);
    return places.slice(0, index).some(isAlike) && places.slice(index + 1).some(isAlike);
  });
}

function sizeOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
}
