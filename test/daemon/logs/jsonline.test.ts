import { expect, test } from "bun:test";
import { formatJsonLine } from "../../../src/daemon/logs/jsonline.ts";

test("no text forges a line or reaches a terminal as an escape sequence, however deep it lies", () => {
  const hostile = 'x\n{"kind":"grant"}\r\u001b]0;title\u0007\u009b31m\u202e\u2066\u2028\u007f';
  const line = formatJsonLine({ config: hostile, peer: { executable: hostile } });
  expect(line).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(line)).toEqual({ config: hostile, peer: { executable: hostile } });
});

test("a text of 64 KiB is cut, and numbers are not", () => {
  const line = formatJsonLine({ config: "x".repeat(65_536), tsMs: 1_795_176_000_007 });
  expect(line.length).toBeLessThan(600);
  expect(line).toEndWith('…","tsMs":1795176000007}');
});
