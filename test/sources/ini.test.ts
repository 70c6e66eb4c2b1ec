import { expect, test } from "bun:test";
import { parseIni, refusalByCli } from "../../src/sources/resolve/ini.ts";

function parse(text: string): Record<string, Record<string, string>> {
  return Object.fromEntries([...parseIni(text)].map(([name, section]) => [name, Object.fromEntries(section)]));
}

test.each([
  { title: "a section", text: "[default]\nregion = eu-west-1\n", is: { default: { region: "eu-west-1" } } },
  { title: "no spaces", text: "[profile a]\nregion=x", is: { "profile a": { region: "x" } } },
  { title: "CRLF", text: "[a]\r\nk = v\r\n", is: { a: { k: "v" } } },
  { title: "a value with = and #", text: "[a]\nk = x=y#z", is: { a: { k: "x=y#z" } } },
  { title: "comments", text: "# c\n; c\n[a] # c\nk = v ; c\n#k = w", is: { a: { k: "v" } } },
  {
    title: "a nested key",
    text: "[a]\nsts =\n  endpoint_url = u\nk = v",
    is: { a: { "sts.endpoint_url": "u", k: "v" } },
  },
  { title: "an indented key without a parent", text: "[a]\n  k = v", is: { a: { k: "v" } } },
  { title: "a section in two pieces", text: "[a]\nk = v\n[b]\n[a]\nl = w", is: { a: { k: "v", l: "w" }, b: {} } },
  { title: "a later value", text: "[a]\nk = v\nk = w", is: { a: { k: "w" } } },
  { title: "keys before any section", text: "k = v\n[a]", is: { a: {} } },
  { title: "a broken header and its keys", text: "[a]\nk = v\n[b\nl = w", is: { a: { k: "v" } } },
  { title: "lines that are no pair", text: "[a]\nnonsense\n= v\nk = v", is: { a: { k: "v" } } },
  { title: "nothing", text: "", is: {} },
])("reads $title", ({ text, is }) => {
  expect(parse(text)).toEqual(is as Record<string, Record<string, string>>);
});

test("takes __proto__ for a name", () => {
  expect(parseIni("[__proto__]\nk = v").get("__proto__")?.get("k")).toBe("v");
  expect(({} as Record<string, unknown>)["k"]).toBeUndefined();
});

// Each as botocore 1.43 has it.
test.each([
  ["", undefined],
  ["# c\n[a]\nk = v\n  more\n\n  and more\n[b] junk\nk: v", undefined],
  ["[a]\ns3 =\n  k = v\n", undefined],
  ["[a]\r\nk = v\r\n[A]\r\nk = w", undefined],
  ["\ufeff[a]\nk = v", "line 1 stands before any section"],
  ["k = v\n[a]", "line 1 stands before any section"],
  ["[a]\n[b]\n[a]", "line 3 begins a second section [a]"],
  ["[a]\nk = v\nK = w", "line 3 sets what its section has set before"],
  ["[a]\nnonsense", "line 2 is neither a section nor a setting"],
  ["[a]\n= v", "line 2 is neither a section nor a setting"],
  ["[a]\n[b", "line 2 is neither a section nor a setting"],
  ["[a]\ns3 =\n  nonsense", "line 3 is a nested setting without ="],
])("of %j the AWS CLI says: %p", (text, refusal) => {
  expect(refusalByCli(text)).toBe(refusal);
});
