import { expect, test } from "bun:test";
import { escapeControls, showControls, showOnOneLine } from "../../src/text/controls.ts";

test.each([
  ["\u001b[31mred\u001b[0m", String.raw`\x1b[31mred\x1b[0m`],
  ["title \u001b]0;x\u0007", String.raw`title \x1b]0;x\x07`],
  ["back\b\rspace\u007f", String.raw`back\x08\x0dspace\x7f`],
  ["C1 \u009b31m", String.raw`C1 \x9b31m`],
  ["right\u202eto left", String.raw`right\u202eto left`],
  ["separator\u2028", String.raw`separator\u2028`],
  ["tab\tand\nnewline, ünï", "tab\tand\nnewline, ünï"],
])("%j becomes %j", (text, expected) => {
  expect(showControls(text)).toBe(expected);
});

test("text from outside cannot forge a second line", () => {
  expect(showOnOneLine("a\nkeyhole: error: forged\r")).toBe(String.raw`a keyhole: error: forged\x0d`);
});

test("a JSON text is escaped to one that says the same", () => {
  const value = { name: "a\n\u007f\u009b31m\u202e\u2028ünï" };
  const escaped = escapeControls(JSON.stringify(value));
  expect(escaped).toMatch(/^[^\p{Cc}\p{Bidi_Control}\u2028]*$/u);
  expect(JSON.parse(escaped)).toEqual(value);
});
