// Lines of the audit as the daemon writes them.
import { type AuditEvent, type AuditKind, toRecord } from "../../src/audit/line.ts";

export function lineOf(event: Partial<AuditEvent> & { readonly kind: AuditKind }, at: number): string {
  return JSON.stringify(toRecord({ transport: "control", outcome: "ok", ...event }, at));
}

export function jsonLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
