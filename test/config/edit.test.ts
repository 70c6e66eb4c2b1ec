import { describe, expect, test } from "bun:test";
import { parseChanges } from "../../src/config/change.ts";
import { applyChanges, diffValues } from "../../src/config/edit.ts";
import { parseYaml } from "../../src/config/yaml.ts";

const TEXT = `# top
AssumeRole:   # the role
  RoleArn: arn:aws:iam::123456789012:role/a  # keep
  DurationSeconds: 900 # short
  Tags:
    - Key: a # first
      Value: b
  # end of role

STS:
  region_name: 'eu-west-1'
# tail
`;

function edit(settings: readonly string[], removals: readonly string[] = [], text = TEXT) {
  return applyChanges(text, parseChanges(settings, removals), "dev");
}

/** Lines that are new, and lines that are gone. */
function difference(before: string, after: string): readonly string[] {
  const [old, now] = [before.split("\n"), after.split("\n")];
  return [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ];
}

describe("in place, with every comment kept", () => {
  test.each<[title: string, settings: string[], removals: string[], lines: string[]]>([
    [
      "a number",
      ["AssumeRole.DurationSeconds=3600"],
      [],
      ["-   DurationSeconds: 900 # short", "+   DurationSeconds: 3600 # short"],
    ],
    [
      "a quoted text",
      ["STS.region_name=us-east-1"],
      [],
      ["-   region_name: 'eu-west-1'", "+   region_name: us-east-1"],
    ],
    ["a text that must be quoted", ["AssumeRole.ExternalId=0123"], [], ["+   ExternalId: '0123'"]],
    ["a key of an item", ["AssumeRole.Tags[0].Value=no"], [], ["-       Value: b", "+       Value: 'no'"]],
    ["a new key of an item", ["AssumeRole.Tags[1]={Key: c, Value: d}"], [], []],
    ["a new section", ["Session.profile_name=dev"], [], ["+ Session:", "+   profile_name: dev"]],
    ["a new key at the top", ["pin=true"], [], ["+ pin: true"]],
    [
      "a new list",
      ["AssumeRole.PolicyArns=arn:aws:iam::aws:policy/A", "AssumeRole.PolicyArns=arn:aws:iam::aws:policy/B"],
      [],
      ["+   PolicyArns:", "+     - arn:aws:iam::aws:policy/A", "+     - arn:aws:iam::aws:policy/B"],
    ],
    ["no key", [], ["AssumeRole.DurationSeconds"], ["-   DurationSeconds: 900 # short"]],
    ["no section, with its last key", [], ["STS.region_name"], ["- STS:", "-   region_name: 'eu-west-1'"]],
    ["nothing, if nothing is there", [], ["Session.profile_name", "AssumeRole.ExternalId"], []],
    [
      "several at once",
      ["STS.verify=false", "Meta.description=the dev role"],
      ["STS.region_name"],
      ["-   region_name: 'eu-west-1'", "+   verify: false", "+ Meta:", "+   description: the dev role"],
    ],
  ])("%s", (title, settings, removals, lines) => {
    const { text, lostComments } = edit(settings, removals);
    expect(lostComments).toBe(title === "a new key of an item");
    if (title !== "a new key of an item") expect(difference(TEXT, text)).toEqual(lines);
    parseYaml(text);
  });

  test("what was set is read back, whatever is in it", () => {
    const texts = [
      "",
      " ",
      "a: b",
      "#x",
      "'",
      '"',
      "\\",
      "a\nb\n",
      "- x",
      "null",
      "yes",
      "1e3",
      "0x1",
      "é\u0085\u2028x",
      "*a",
      "{",
      "x ",
      "a #b",
      "::",
      "y",
    ];
    for (const text of texts) {
      const after = parseYaml(edit([`Meta.description=${text}`]).text).value as { Meta: { description: string } };
      expect(after.Meta.description).toBe(text);
    }
  });
});

describe("a file that must be written anew", () => {
  test("says so where that loses comments (E-045)", () => {
    const { text, lostComments } = edit(
      ["AssumeRole.ExternalId=abc"],
      [],
      '# mine\n{"AssumeRole": {"RoleArn": "x"}}\n',
    );
    expect(text).toBe("AssumeRole:\n  RoleArn: x\n  ExternalId: abc\n");
    expect(lostComments).toBeTrue();
  });

  test("does not where there were none", () => {
    const { text, lostComments } = edit(["STS.region_name=x1"], [], '{"AssumeRole": {"RoleArn": "x"}}');
    expect(text).toBe("AssumeRole:\n  RoleArn: x\nSTS:\n  region_name: x1\n");
    expect(lostComments).toBeFalse();
  });

  test("begins with nothing", () => {
    expect(edit(["AssumeRole.RoleArn=arn:x", "AssumeRole.Tags=team=web"], [], "").text).toBe(
      "AssumeRole:\n  RoleArn: arn:x\n  Tags:\n    - Key: team\n      Value: web\n",
    );
  });

  test("a collection that is replaced takes its comments along, and that is said", () => {
    expect(edit(["AssumeRole.Tags=x=z"]).lostComments).toBeTrue();
  });
});

test("a flow mapping within a block is opened, and the rest stays", () => {
  const { text } = edit(["AssumeRole.ExternalId=abc"], [], "AssumeRole: {RoleArn: x} # c\npin: true # d\n");
  expect(text).toBe("AssumeRole:\n  RoleArn: x\n  ExternalId: abc # c\npin: true # d\n");
});

test("line ends, a byte order mark and the way an untouched value is written stay", () => {
  const before = "\uFEFFAssumeRole:\r\n  RoleArn: x # c\r\n  TokenCode: 089123\r\npin: true\r\n";
  const text = before.replace("x #", "y z #").replace("pin: true\r\n", "STS:\r\n  verify: false\r\n");
  expect(edit(["AssumeRole.RoleArn=y z", "STS.verify=false"], ["pin"], before)).toEqual({ text, lostComments: false });
  expect(edit([], [], before).text).toBe(before);
});

test("a section without a value gets one", () => {
  expect(edit(["STS.region_name=x1"], [], "AssumeRole:\n  RoleArn: x\nSTS: # c\npin: true\n").text).toContain(
    "STS:\n  region_name: x1",
  );
});

test("a text that is no YAML is left to its owner", () => {
  expect(() => edit(["pin=true"], [], "a: 1\na: 2")).toThrow("dev: line 2: the key a for the second time");
});

test("the difference of two values is whole keys of sections", () => {
  const before = { AssumeRole: { RoleArn: "a", Tags: [{ Key: "k", Value: "v" }] }, STS: { verify: true }, pin: true };
  const after = {
    AssumeRole: { RoleArn: "b", Tags: [{ Key: "k", Value: "w" }] },
    Meta: { description: "d" },
    pin: true,
  };
  expect(diffValues(before, after)).toEqual([
    { path: ["AssumeRole", "RoleArn"], value: "b" },
    { path: ["AssumeRole", "Tags"], value: [{ Key: "k", Value: "w" }] },
    { path: ["STS"], value: undefined },
    { path: ["Meta"], value: { description: "d" } },
  ]);
  expect(diffValues(before, before)).toEqual([]);
});
