// Who was given what, and who was refused: a file of JSON lines that `keyhole audit` reads. It rotates by size; the
// lives of grants are carried over before a file is dropped (src/audit/carry.ts).
import { carry } from "../../audit/carry.ts";
import type { AuditEvent, RecordAudit } from "../../audit/event.ts";
import { carriedPath, KEPT_FILES, ROTATE_AT } from "../../audit/files.ts";
import { isKept, toRecord } from "../../audit/line.ts";
import { openIfFile, readLines } from "../../files/lines.ts";
import { writeAtomically } from "../../files/writing.ts";
import type { Clock } from "../../clock.ts";
import { formatJsonLine } from "../logs/jsonline.ts";
import { openRotatingFile } from "../logs/rotatingfile.ts";

export interface AuditOptions {
  /** Absolute; its directory exists. */
  readonly path: string;
  readonly clock: Clock;
  /** Leaves out of a text what must not be written down. */
  readonly hide: (text: string) => string;
  /** KEYHOLE_DISABLE_DISK_LOGS: nothing is opened and nothing written. */
  readonly disabled?: boolean;
}

export interface AuditFile {
  readonly record: RecordAudit;
  /** Opens the file anew, after an administrator moved it away. */
  reopen(): void;
  close(): void;
}

/** @throws KeyholeError `unsafe-path` if the file cannot be opened for writing, or is a link. */
export function openAuditFile({ path, clock, hide, disabled = false }: AuditOptions): AuditFile {
  if (disabled) return { record: () => {}, reopen: () => {}, close: () => {} };
  const file = openRotatingFile({
    path,
    what: "audit file",
    rotateAt: ROTATE_AT,
    kept: KEPT_FILES,
    clock,
    beforeDrop: (oldest) => carryOver(oldest, carriedPath(path)),
  });
  return {
    record: (event: AuditEvent) => file.append(formatJsonLine(toRecord(event, clock.wall()), hide), isKept(event.kind)),
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
