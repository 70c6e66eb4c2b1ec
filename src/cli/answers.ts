// Answers: JSON for scripts, with instants in ISO 8601; columns, durations and sizes for people.
import type { Output } from "./stdout.ts";
import { escapeControls, showControls } from "../text/controls.ts";

/** The option of every command that has an answer. */
export const jsonOption = { type: "boolean", description: "Answer in JSON" } as const;

/** Indented, because a person reads it as well, and without any control but its own line breaks. */
export function formatJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).split("\n").map(escapeControls).join("\n");
}

/** @param milliseconds since the epoch */
export function formatInstant(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString();
}

/**
 * Rows as aligned columns, two spaces apart; a cell is one line without controls, whatever came into it.
 *
 * @param least characters that a column has at least, for rows of which more follow
 */
export function formatTable(rows: readonly (readonly string[])[], least: readonly number[] = []): string {
  const clean = rows.map((row) => row.map((cell) => showControls(cell).replace(/\s+/g, " ")));
  const widths = (clean[0] ?? []).map((_, column) =>
    Math.max(least[column] ?? 0, ...clean.map((row) => Bun.stringWidth(row[column] ?? ""))),
  );
  return clean
    .map((row) =>
      row
        .map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - Bun.stringWidth(cell)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The option of every command that shows a table. */
export const wideOption = { type: "boolean", description: "Show all columns, on a terminal of any width" } as const;

/** How wide a table may be; undefined for any width. */
export function widthFor(wide: boolean, output: Output): number | undefined {
  return wide ? undefined : output.terminal()?.columns;
}

/**
 * As `formatTable`, within the columns of a terminal: without those that matter least, and a line that is still too long
 * is cut.
 *
 * @param width undefined for any
 * @param least important columns, by their index, that go first
 */
export function fitTable(
  rows: readonly (readonly string[])[],
  width: number | undefined,
  least: readonly number[],
): string {
  const table = formatTable(rows);
  if (width === undefined) return table;
  const lines = table.split("\n");
  const [first, ...more] = least;
  if (first === undefined || lines.every((line) => Bun.stringWidth(line) <= width))
    return lines.map((line) => fitLine(line, width)).join("\n");
  const others = more.map((column) => (column > first ? column - 1 : column));
  return fitTable(
    rows.map((row) => row.filter((_, column) => column !== first)),
    width,
    others,
  );
}

/** A line as far as it fits into so many columns of a terminal, with … for the rest. */
export function fitLine(line: string, columns: number): string {
  if (Bun.stringWidth(line) <= columns) return line;
  let fitting = "";
  for (const character of line) {
    if (Bun.stringWidth(fitting + character) > columns - 1) break;
    fitting += character;
  }
  return `${fitting}…`;
}

const units = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
] as const;

/** Milliseconds as the largest unit and the one below: `59 min 12 s`. Negative durations are `0 s`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const first = units.findIndex(([size]) => seconds >= size);
  if (first === -1) return "0 s";
  const counts = units.slice(first, first + 2).map(([size, unit], index) => {
    const rest = index === 0 ? seconds : seconds % units[first]![0];
    return [Math.floor(rest / size), unit] as const;
  });
  return counts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** Bytes as mebibytes. */
export function formatSize(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
