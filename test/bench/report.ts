// What a benchmark says, as rows, as a table for people and as JSON for a machine.
import { cpus, loadavg } from "node:os";
import type { Summary } from "./statistics.ts";

export interface Row {
  /** What was measured, or done. */
  readonly what: string;
  /** `ms`, `µs`, `req/s`, `MiB`, `calls`. */
  readonly unit: string;
  readonly values: Summary;
  /** Median against the median of something that ran interleaved with it. */
  readonly ratio?: { readonly to: string; readonly value: number };
  /** A number of issue 2's. */
  readonly target?: { readonly text: string; readonly isMet: boolean };
  readonly note?: string;
}

export interface Report {
  readonly rows: readonly Row[];
  /** What is wrong whatever the time it took; the process then fails. */
  readonly defects?: readonly string[];
}

export type Reports = Readonly<Record<string, Report>>;

export function once(value: number): Summary {
  return { count: 1, min: value, median: value, p99: value, max: value };
}

export function ratioTo(to: string, values: Summary, base: Summary): { to: string; value: number } {
  return { to, value: values.median / base.median };
}

export function atMost(limit: number, value: number, unit = ""): { text: string; isMet: boolean } {
  return { text: `<= ${limit}${unit}`, isMet: value <= limit };
}

export function atLeast(limit: number, value: number, unit = ""): { text: string; isMet: boolean } {
  return { text: `>= ${limit}${unit}`, isMet: value >= limit };
}

const headings = ["", "unit", "median", "p99", "min", "n", "ratio", "target", ""];

export function renderTable(reports: Reports): string {
  const sections = Object.entries(reports).map(([name, { rows }]) => [[name], ...rows.map(cellsOf)]);
  const lines = [headings, ...sections.flat()];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) => line.map((cell, column) => pad(cell, widths[column]!, column)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

function cellsOf({ what, unit, values, ratio, target, note }: Row): string[] {
  const isSample = values.count > 1;
  return [
    `  ${what}`,
    unit,
    format(values.median),
    isSample ? format(values.p99) : "",
    isSample ? format(values.min) : "",
    isSample ? String(values.count) : "",
    ratio === undefined ? "" : `${ratio.value.toFixed(2)} x ${ratio.to}`,
    target === undefined ? "" : `${target.text}: ${target.isMet ? "met" : "MISSED"}`,
    note ?? "",
  ];
}

/** Numbers to the right, words to the left. */
function pad(cell: string, width: number, column: number): string {
  return column >= 2 && column <= 5 ? cell.padStart(width) : cell.padEnd(width);
}

/** Of no samples nothing is known. */
function format(value: number | undefined): string {
  if (value === undefined) return "none";
  if (value >= 1000) return Math.round(value).toString();
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

export function renderJson(reports: Reports, isQuick: boolean): string {
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, loadAverage: loadavg()[0] };
  return `${JSON.stringify({ time: new Date().toISOString(), bun: Bun.version, isQuick, machine, reports }, null, 2)}\n`;
}
