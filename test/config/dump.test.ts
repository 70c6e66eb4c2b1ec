import { expect, test } from "bun:test";
import { dumpYaml } from "../../src/config/edit.ts";
import { parseYaml } from "../../src/config/yaml.ts";

test("keys stand in the order of the schema, values in the form a person would write", () => {
  expect(
    dumpYaml({
      pin: true,
      Meta: { description: "the dev role" },
      AssumeRole: {
        DurationSeconds: 3600,
        Tags: [{ Value: "web", Key: "team" }],
        Policy: '{"Version":"2012-10-17"}',
        RoleArn: "arn:aws:iam::123456789012:role/demo",
        PolicyArns: [],
      },
    }),
  ).toBe(`AssumeRole:
  RoleArn: arn:aws:iam::123456789012:role/demo
  PolicyArns: []
  Policy: '{"Version":"2012-10-17"}'
  DurationSeconds: 3600
  Tags:
    - Key: team
      Value: web
Meta:
  description: the dev role
pin: true
`);
});

/** What one YAML or the other takes for something else than text. */
const NASTY = [
  ["", " ", "~", "null", "Null", "true", "True", "yes", "No", "on", "OFF", "y", "n", "=", "<<", "-", "--", "---"],
  ["0", "012", "089", "1_000", "1e3", "0x1F", "0o7", ".5", ".inf", ".nan", "190:20:30", "2024-01-01", "+1", "-1"],
  ["a: b", "a:", ":a", "a #b", "#a", "a\tb", "a\nb", "a\n", "\r\n", "'", '"', "\\", "\\n", "it's", 'say "x"'],
  ["&a", "*a", "!a", "%a", "@a", "`a", "|", ">", "?", "? a", "[a", "{a", "a]", ",a", "a,b", "- a"],
  ["é", "\u0085", "\u00A0", "\u2028", "\uFEFF", "\u007F", "\u{1F511}", "arn:aws:iam::1:role/x", "a  b", " a", "a "],
].flat();

test("every text is read back as it was", () => {
  const value = { Meta: { description: "x" }, AssumeRole: { TransitiveTagKeys: NASTY } };
  expect(parseYaml(dumpYaml(value)).value).toEqual(value);
});

const python = Bun.spawnSync(["python3", "-c", "import yaml"]).exitCode === 0;

test.skipIf(!python)("PyYAML, which elhaz uses, reads the same", () => {
  const value = { AssumeRole: { TransitiveTagKeys: NASTY, DurationSeconds: 3600 }, STS: { use_ssl: false } };
  const script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin.buffer.read())))";
  const { stdout } = Bun.spawnSync(["python3", "-c", script], { stdin: Buffer.from(dumpYaml(value)) });
  expect(JSON.parse(stdout.toString())).toEqual(value);
});

test.skipIf(!python)("what PyYAML writes is read the same, except what it would have to quote", () => {
  // Text in YAML 1.1 and therefore without quotes, a number in 1.2: the schema then asks for quotes.
  const numbers = ["089", "1e3", "0o7"];
  const value = {
    AssumeRole: {
      TransitiveTagKeys: NASTY.filter((text) => !numbers.includes(text)),
      Policy: '{"a": [1, 2]} '.repeat(20),
    },
  };
  const script = "import json, sys, yaml; sys.stdout.write(yaml.safe_dump(json.load(sys.stdin)))";
  const { stdout } = Bun.spawnSync(["python3", "-c", script], { stdin: Buffer.from(JSON.stringify(value)) });
  expect(parseYaml(stdout.toString()).value).toEqual(value);
});
