// A line of JSON for a file that people read: no input can forge a line or reach a terminal as an escape sequence.
import { escapeControls } from "../../text/controls.ts";
import { cut } from "../../text/cut.ts";

/** No text is longer, in characters: a name from the wire may be 64 KiB of anything. */
const LONGEST_TEXT = 512;

/**
 * Without the newline.
 *
 * @param hide leaves out of a text what must not be written down
 */
export function formatJsonLine(value: object, hide: (text: string) => string): string {
  const line = JSON.stringify(value, (_, member: unknown) =>
    typeof member === "string" ? cut(hide(member), LONGEST_TEXT) : member,
  );
  return escapeControls(line);
}
