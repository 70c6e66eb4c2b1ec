import { expect, test } from "bun:test";
import { formatJsonLine } from "../../../src/daemon/logs/rotatingfile.ts";

const same = (text: string) => text;

test("no text forges a line or reaches a terminal as an escape sequence, however deep it lies", () => {
  const hostile = 'x\n{"kind":"grant"}\r\u001b]0;title\u0007\u009b31m\u202e\u2066\u2028\u007f';
  const line = formatJsonLine({ config: hostile, peer: { executable: hostile } }, same);
  expect(line).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(line)).toEqual({ config: hostile, peer: { executable: hostile } });
});

test("a text of 64 KiB is cut, and numbers are not", () => {
  const line = formatJsonLine({ config: "x".repeat(65_536), tsMs: 1_795_176_000_007 }, same);
  expect(line.length).toBeLessThan(600);
  expect(line).toEndWith('…","tsMs":1795176000007}');
});

test("what must not be written down is left out of every text before it is cut", () => {
  const long = `${"x".repeat(500)}/secret/more`;
  const line = formatJsonLine({ peer: { executable: long } }, (text) => text.replaceAll("secret", "NAME"));
  expect(line).toContain("/NAME/more");
  expect(line).not.toContain("secret");
});
