import { expect, test } from "bun:test";
import { didYouMean, suggest } from "../../src/text/suggest.ts";

test.each([
  ["exprot", "export"],
  ["exprt", "export"],
  ["exportt", "export"],
  ["stauts", "status"],
  ["--fromat", "--format"],
  ["ad", "add"],
  ["--form", "--format"],
  ["exp", "export"],
  ["x", undefined],
  ["whatever", undefined],
  ["", undefined],
  ["e".repeat(10_000), undefined],
] as const)("%p is taken for %p", (word, expected) => {
  expect(suggest(word, ["export", "status", "add", "--format"])).toBe(expected);
});

test("the nearest of several candidates wins", () => {
  expect(suggest("list", ["last", "list", "lost"])).toBe("list");
});

test("an error message gets an end only where there is something to say", () => {
  expect(didYouMean("jsn", ["json"])).toBe(", did you mean json");
  expect(didYouMean("xml", ["json"])).toBe("");
});
