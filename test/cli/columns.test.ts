import { expect, test } from "bun:test";
import { formatDuration, formatJson, formatSize, formatTable } from "../../src/cli/answers.ts";

test.each([
  [0, "0 s"],
  [-5000, "0 s"],
  [999, "0 s"],
  [1000, "1 s"],
  [60_000, "1 min"],
  [90_000, "1 min 30 s"],
  [3_600_000, "1 h"],
  [3_605_000, "1 h"],
  [3_660_000, "1 h 1 min"],
  [86_400_000, "1 d"],
  [90_061_000, "1 d 1 h"],
  [400 * 86_400_000, "400 d"],
])("%d ms is %p", (milliseconds, expected) => {
  expect(formatDuration(milliseconds)).toBe(expected);
});

test("bytes are mebibytes", () => {
  expect(formatSize(1_572_864)).toBe("1.5 MiB");
});

test("columns line up, wide characters and control characters included, and no cell has a second line", () => {
  expect(
    formatTable([
      ["A", "B", "C"],
      ["日本", "\u001b[31mx", "two\nlines"],
      ["long", "b", ""],
    ]),
  ).toBe(["A     B          C", "日本  \\x1b[31mx  two lines", "long  b"].join("\n"));
});

test("no rows are no text", () => {
  expect(formatTable([])).toBe("");
});

test("an answer in JSON says what it says without any control: a terminal may show it", () => {
  const value = { name: "\u202egnp.exe", notes: ["\u009b31m", "two\nlines\u2028"], "\u007fkey": 1 };
  const text = formatJson(value);
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u);
  expect(JSON.parse(text)).toEqual(value);
  expect(formatJson({ a: ["ünï"] })).toBe('{\n  "a": [\n    "ünï"\n  ]\n}');
});
