import { expect, test } from "bun:test";
import { formatJson } from "../../src/cli/answers.ts";

test("an answer in JSON says what it says without any control: a terminal may show it", () => {
  const value = { name: "\u202egnp.exe", notes: ["\u009b31m", "two\nlines\u2028"], "\u007fkey": 1 };
  const text = formatJson(value);
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u);
  expect(JSON.parse(text)).toEqual(value);
  expect(formatJson({ a: ["ünï"] })).toBe('{\n  "a": [\n    "ünï"\n  ]\n}');
});
