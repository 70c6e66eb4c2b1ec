import { describe, expect, test } from "bun:test";
import { lineOf, MalformedYaml, parseYaml, plainTextOf, YAML_LIMIT } from "../../src/config/yaml.ts";
import { worked } from "../processes.ts";

/** The refusal of a text: `line: message`. */
function refusal(text: string): string {
  try {
    parseYaml(text);
  } catch (error) {
    if (error instanceof MalformedYaml) return `${error.line ?? "-"}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

describe("what people and PyYAML write is read", () => {
  test.each<[title: string, text: string, value: unknown]>([
    ["an empty file", "", null],
    ["a byte order mark", "\uFEFFa: b", { a: "b" }],
    ["CRLF line ends", "a:\r\n  b: c\r\n", { a: { b: "c" } }],
    ["one document with markers", "---\na: b\n...\n", { a: "b" }],
    ["a directive", "# 1\n%YAML 1.1 # 2\n# 3\n--- # 4\na: b\n", { a: "b" }],
    ["comments everywhere", "# 1\na: # 2\n  # 3\n  b: 1 # 4\n# 5\n", { a: { b: 1 } }],
    [
      "# and : within words",
      "a: b#c\nd: https://x.y:80/z\ne: arn:aws:iam::1:role/x",
      { a: "b#c", d: "https://x.y:80/z", e: "arn:aws:iam::1:role/x" },
    ],
    ["single quotes", "a: 'it''s: #x'\n'b' : 'x\n  y'", { a: "it's: #x", b: "x y" }],
    ["double quotes", 'a: "q\\"x: y"\nb: "x\\\n  y"', { a: 'q"x: y', b: "xy" }],
    ["a quoted key with an escape", '"\\u0061": 1', { a: 1 }],
    ["a plain text over several lines", "a: x\n  y\n\n  z\nb: 1", { a: "x y\nz", b: 1 }],
    ["a literal block that looks like keys", "a: |\n  b: 1\n  b: 2\n\nc: 1", { a: "b: 1\nb: 2\n", c: 1 }],
    ["a folded block", "a: >-\n  x\n  y\n\n  z\nb: 1", { a: "x y\nz", b: 1 }],
    ["a block with explicit indentation", "a: |2\n    x\nb: 1", { a: "  x\n", b: 1 }],
    ["an empty block", "a: |\n\nb: 1", { a: "", b: 1 }],
    ["a list that is not indented", "a:\n- b\n- c: d\n  e: f\ng: 1", { a: ["b", { c: "d", e: "f" }], g: 1 }],
    ["a list that is", "a:\n  - b\n  -   c: d\n      e: f", { a: ["b", { c: "d", e: "f" }] }],
    ["lists of lists", "- - a\n  - b\n- c", [["a", "b"], "c"]],
    ["a block in a list", "a:\n  - |\n    x\n  - y", { a: ["x\n", "y"] }],
    ["words that begin with a dash", "a: --single\nb: [--x, -y]", { a: "--single", b: ["--x", "-y"] }],
    ["empty values", "a:\nb:\n  c:\nd: ", { a: null, b: { c: null }, d: null }],
    ["flow collections", "a: {b: [1, {c: d}],\n # x\n e: 'f, g'}", { a: { b: [1, { c: "d" }], e: "f, g" } }],
    ["JSON", '{"a":1,"b":{"c":[1,true,null]}}', { a: 1, b: { c: [1, true, null] } }],
    ["a list at the top", "- a\n-\n- b: 1", ["a", null, { b: 1 }]],
    ["a key named __proto__", "__proto__: 1", JSON.parse('{"__proto__":1}')],
  ])("%s", (_, text, value) => {
    expect(parseYaml(text).value).toEqual(value);
  });
});

describe("what would be read wrongly is refused by line", () => {
  test.each<[title: string, text: string, message: string]>([
    ["a duplicate key", "a: 1\nb: 2\na: 3", "3: the key a for the second time"],
    ["a duplicate key below", "x:\n  a: 1\n  a: 1", "3: the key a for the second time"],
    ["a duplicate key in other quotes", "'a': 1\na: 2", "2: the key a for the second time"],
    ["a duplicate key in a flow mapping", '{a: 1, "a": 2}', "1: the key a for the second time"],
    ["a duplicate key in a list", "- a: 1\n  a: 2", "2: the key a for the second time"],
    [
      "a duplicate key that may be a secret",
      "AKIA SECRET: 1\nAKIA SECRET: 2",
      "2: the key (not a plain word) for the second time",
    ],
    ["an anchor", "a: &x 1", "1: an anchor (&); keyhole reads none, write the value out"],
    [
      "an alias",
      "a: 1\nb: *x",
      "2: an alias (*); keyhole reads none, write the value out, or quote a text that begins with *",
    ],
    ["a tag", "a: !!str 1", "1: a tag (!); leave it out, or quote a text that begins with !"],
    ["a merge key", "<<: {a: 1}", "1: a merge key (<<); write the values out"],
    ["a second document", "a: 1\n---\nb: 2", "2: a second YAML document; a file holds one config"],
    ["another directive", "%TAG ! x:\n---\na: 1", "1: a YAML directive other than %YAML 1.1 or 1.2; leave it out"],
    ["another version", "%YAML 2.0\n---\na: 1", "1: a YAML directive other than %YAML 1.1 or 1.2; leave it out"],
    ["a second directive", "%YAML 1.1\n%YAML 1.1\n---\na: 1", "2: a YAML directive without --- below it"],
    ["a directive without its marker", "%YAML 1.1\na: 1", "2: a YAML directive without --- below it"],
    ["an explicit key", "? a\n: b", "1: an explicit key (?); write `key: value`"],
    ["a tab as indentation", "a:\n\tb: c", "2: a tab in the indentation; use spaces"],
    ["a wrong indentation", "a:\n  b: c\n d: e", "3: an indentation that fits nothing above it"],
    ["a colon within a value", "a: b: c", "1: a colon and a space within a value; quote the value"],
    ["a flow mapping without spaces", "a: {b:c}", "1: a key without a colon and a space"],
    ["a pair in a flow list", "a: [b: c]", '1: something that is neither "," nor "]"; quote the value'],
    ["a text behind a quoted one", "a: 'x' y", "1: something after the end of a value; quote the whole value"],
    ["a quote without end", "a: 1\nb: 'x", "2: a quote that does not end"],
    ["a bracket without end", "a: [1,\n", "2: a bracket that does not close"],
    ["a line that is no key", "a: b\nc", "2: a line that is no `key: value`"],
    ["a control character", "a: 1\nb: x\u001b[2J", "2: a control character"],
    ["a key that is no text", "0x10: a", "1: a construct that keyhole does not read; quote the value"],
    ["what only Bun finds wrong", "a: ]b", "-: not valid YAML"],
  ])("%s", (_, text, message) => {
    expect(refusal(text)).toBe(message);
  });
});

test("a line of a problem is that of the key, or of its parent where the key is missing", () => {
  const document = parseYaml("a:\n  b:\n  - c: 1\n  - d: 2\n");
  expect(lineOf(document, ["a", "b", 1, "d"])).toBe(4);
  expect(lineOf(document, ["a", "b", 1, "missing"])).toBe(4);
  expect(lineOf(document, ["a", "missing"])).toBe(1);
  expect(lineOf(document, ["missing"])).toBeUndefined();
});

test("the digits of an unquoted number can be had as they are written", () => {
  const document = parseYaml("a: 089123\nb: '089123'");
  expect(plainTextOf(document, ["a"])).toBe("089123");
  expect(plainTextOf(document, ["b"])).toBeUndefined();
});

describe("a hostile file is refused at once", () => {
  const bombs: [string, string, string][] = [
    ["lists in lists", "[".repeat(60_000), "1: nesting deeper than 20 levels"],
    ["mappings in mappings", "{a: ".repeat(15_000), "1: nesting deeper than 20 levels"],
    ["dashes", "- ".repeat(30_000), "1: nesting deeper than 20 levels"],
    ["aliases of aliases", "a: &a [x,x]\nb: &b [*a,*a]", "1: an anchor (&); keyhole reads none, write the value out"],
    ["backslashes", `a: "${"\\".repeat(60_000)}`, "1: a quote that does not end"],
    [
      "many keys",
      Array.from({ length: 3000 }, (_, index) => `k${index}: x`).join("\n"),
      "2001: more than 2000 keys and list items",
    ],
    ["many items", `[${"{},".repeat(20_000)}]`, "1: more than 2000 keys and list items"],
    ["many dashes", "-\n".repeat(30_000), "2001: more than 2000 keys and list items"],
    ["more than 64 KiB", `a: ${"x".repeat(YAML_LIMIT)}`, "-: larger than 64 KiB"],
  ];
  test.each(bombs)("%s", (_, text, message) => {
    const started = worked();
    expect(refusal(text)).toBe(message);
    // 50 ms are meant; a quadratic scan would take seconds.
    expect(worked() - started).toBeLessThan(500);
  });

  test("20 levels are read", () => {
    expect(refusal(`${"[".repeat(20)}${"]".repeat(20)}`)).toBe("accepted");
  });
});
