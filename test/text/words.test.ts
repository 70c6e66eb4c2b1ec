import { expect, test } from "bun:test";
import { splitWords } from "../../src/text/quoting.ts";

test.each([
  ["", []],
  ["  a  b\tc ", ["a", "b", "c"]],
  ["a 'b c' \"d e\"", ["a", "b c", "d e"]],
  [`"/opt/my keyhole" 'x y' z`, ["/opt/my keyhole", "x y", "z"]],
  ['a"b c"d', ["ab cd"]],
  ["a''b \"\"", ["ab", ""]],
  ["a\\ b", ["a b"]],
  ["'a\\b'", ["a\\b"]],
  ['"a\\"b\\\\c\\d"', ['a"b\\c\\d']],
  ["$HOME `x` ; | *", ["$HOME", "`x`", ";", "|", "*"]],
  ["'a", undefined],
  ['"a', undefined],
  ["a\\", undefined],
])("splits %p as shlex does", (line, words) => {
  expect(splitWords(line)).toEqual(words);
});
