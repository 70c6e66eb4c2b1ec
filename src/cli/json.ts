// Answers for scripts: JSON, with instants in ISO 8601.
import { escapeControls } from "../text/controls.ts";

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
