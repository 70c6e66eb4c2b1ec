// A line of the daemon's log as a person reads it.
import { showControls } from "../../text/controls.ts";

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
