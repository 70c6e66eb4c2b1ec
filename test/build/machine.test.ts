import { expect, test } from "bun:test";
import { checkRange, words } from "../../src/build/machine.ts";

test.each([
  [-2, true],
  [-1, false],
  [1, false],
  [2, true],
])("whether %d overflows the range from -1 to 2", (value, overflows) => {
  if (overflows) expect(() => checkRange(value, -1, 2)).toThrow(`the value ${value} overflows its field`);
  else expect(checkRange(value, -1, 2)).toBe(value);
});

test("words are little-endian and unsigned", () => {
  expect(Buffer.from(words(0xd65f03c0, -1)).toString("hex")).toBe("c0035fd6ffffffff");
});
