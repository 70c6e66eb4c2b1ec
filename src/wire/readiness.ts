// What a daemon says to the process that launched it: one line on stdout when it listens, or why it cannot, on stderr. Text,
// because a person who runs it in the foreground reads the same lines.
import { type ErrorName, errors, KeyholeError } from "../errors.ts";

const READY = "keyhole: ready";
/** From a daemon that is to replace another: everything is loaded, and it waits for the other one's lock. */
export const WAITING = "keyhole: waiting";

/** The line on stdout, without its newline. */
export function formatReady(socketPath: string): string {
  return `${READY} at ${socketPath}`;
}

export function isReady(line: string): boolean {
  return line.startsWith(READY);
}

/** The lines on stderr. @param isLaunched whether a client reads them, which needs the kind, too */
export function formatFailure(error: KeyholeError, isLaunched: boolean): string {
  const lines = [`keyhole: error: ${error.message}`];
  if (isLaunched) lines.push(`keyhole: kind: ${error.kind}`);
  if (error.hint !== undefined) lines.push(`keyhole: hint: ${error.hint}`);
  return `${lines.join("\n")}\n`;
}

/** The error in what a daemon wrote to stderr; undefined where it did not come to write one. */
export function parseFailure(report: string): KeyholeError | undefined {
  const find = (label: string) => new RegExp(`^keyhole: ${label}: (.*)$`, "m").exec(report)?.[1];
  const message = find("error");
  if (message === undefined) return undefined;
  const kind = find("kind") ?? "";
  return new KeyholeError(kind in errors ? (kind as ErrorName) : "start-failed", message, find("hint"));
}
