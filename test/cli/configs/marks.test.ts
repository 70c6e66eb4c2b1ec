import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { findBlock, replaceBlock } from "../../../src/cli/configs/marks.ts";

const line = fc.constantFrom(
  "[default]",
  "region = x",
  "# BEGIN other",
  "  # BEGIN keyhole profil",
  "",
  "k = é",
  "\ufeff",
);
const ending = fc.constantFrom("\n", "\n", "\r\n", "\r", "");
const text = fc.array(fc.tuple(line, ending), { maxLength: 12 }).map((lines) => lines.flat().join(""));
const inside = fc
  .array(fc.constantFrom("[profile a]\n", "x = 1\n", "\n", "# c\n"), { maxLength: 5 })
  .map((all) => all.join(""));

test("no byte outside of the marks is changed, and a second time changes nothing", () => {
  fc.assert(
    fc.property(text, inside, inside, text, (before, first, second, after) => {
      const written = replaceBlock(before, "profiles", first);
      expect(written).toStartWith(before);
      expect(replaceBlock(written, "profiles", first)).toBe(written);
      // What a person has put below it since.
      const grown = written + after;
      const isOnOwnLine = first === "" || after === "" || written.endsWith("\n");
      if (!isOnOwnLine || first === "") return;
      const again = replaceBlock(grown, "profiles", second);
      const parts = findBlock(grown, "profiles");
      expect(parts.before + parts.block! + parts.after).toBe(grown);
      expect(again).toStartWith(parts.before);
      expect(again).toEndWith(after);
      expect(again.length - parts.before.length - after.length).toBe(findBlock(again, "profiles").block?.length ?? 0);
    }),
    { numRuns: 2_000 },
  );
});

test("the block has the line ends of its file, and another block's marks are another's", () => {
  expect(replaceBlock("[a]\r\nk = v", "x", "[profile b]\n")).toBe(
    "[a]\r\nk = v\r\n\r\n# BEGIN keyhole x\r\n[profile b]\r\n# END keyhole x\r\n",
  );
  const two = replaceBlock(replaceBlock("", "x", "1\n"), "y", "2\n");
  expect(two).toBe("# BEGIN keyhole x\n1\n# END keyhole x\n\n# BEGIN keyhole y\n2\n# END keyhole y\n");
  expect(replaceBlock(two, "x", "")).toBe("\n# BEGIN keyhole y\n2\n# END keyhole y\n");
});

test.each([
  ["without an end", "a\n# BEGIN keyhole x\n", 2],
  ["without a beginning", "# END keyhole x\n", 1],
  ["the wrong way round", "# END keyhole x\n# BEGIN keyhole x\n", 2],
  ["twice", "# BEGIN keyhole x\n# END keyhole x\n# BEGIN keyhole x\n# END keyhole x\n", 3],
])("marks %s are refused by their line", (_, broken, at) => {
  expect(() => replaceBlock(broken, "x", "1\n")).toThrow(`line ${at}: not one '# BEGIN keyhole x'`);
});
