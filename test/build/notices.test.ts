import { expect, test } from "bun:test";
import { writeNotices } from "../../src/build/release.ts";

const component = (name: string, notice: string) => ({
  name,
  version: "1.0.0",
  license: "MIT",
  purl: `pkg:npm/${name}`,
  notice,
});

test("a text stands once, below all that are under it, in the same order whatever was given first", () => {
  const components = [component("b", "common"), component("c", "own of c"), component("a", "common")];
  const text = writeNotices("ours\n", components);
  expect(text.match(/common/g)).toHaveLength(1);
  expect(text).toContain("\na 1.0.0 (MIT)\nb 1.0.0 (MIT)\n=");
  expect(text.indexOf("common")).toBeLessThan(text.indexOf("own of c"));
  expect(text).toEndWith("\n\nours\n");
  expect(writeNotices("ours\n", [...components.toReversed(), components[0]!])).toBe(text);
});
