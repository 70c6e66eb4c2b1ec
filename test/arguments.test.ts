import { describe, expect, test } from "bun:test";
import { type ArgsDef, findOption, parseArguments, splitRest } from "../src/arguments.ts";
import { thrownBy } from "./thrown.ts";

const defs = {
  name: { type: "string", alias: "n", description: "Name" },
  format: { type: "enum", alias: ["f", "fmt"], options: ["json", "env"], default: "json", description: "Format" },
  obscure: { type: "boolean", alias: "o", description: "Obscure" },
  verify: { type: "boolean", default: true, description: "Verify" },
  set: { type: "string", multiple: true, description: "Set" },
  "config-dir": { type: "string", alias: "cd", description: "Directory" },
  file: { type: "positional", required: false, description: "File" },
} as const satisfies ArgsDef;

const defaults = { format: "json", obscure: false, verify: true, set: [] };

const failure = (words: readonly string[], definitions: ArgsDef = defs) =>
  thrownBy(() => parseArguments(words, definitions, "keyhole x --help"));

describe("what is understood, glued values too, as elhaz takes them (E-009)", () => {
  test.each([
    [[], {}],
    [["--name", "a"], { name: "a" }],
    [["--name=a"], { name: "a" }],
    [["-n", "a"], { name: "a" }],
    [["-n=a"], { name: "a" }],
    [["-na"], { name: "a" }],
    [["-n-a"], { name: "-a" }],
    [["-fenv"], { format: "env" }],
    [["--name=a=b"], { name: "a=b" }],
    [["--name="], { name: "" }],
    [["--name=-a"], { name: "-a" }],
    [["--name", "-"], { name: "-" }],
    [["-cd", "/x"], { "config-dir": "/x" }],
    [["-f", "env"], { format: "env" }],
    [["-fmt", "env"], { format: "env" }],
    [["-o"], { obscure: true }],
    [["--no-obscure"], { obscure: false }],
    [["--no-verify"], { verify: false }],
    [["--set", "a=1", "--set=b=2"], { set: ["a=1", "b=2"] }],
    [["input", "-o"], { file: "input", obscure: true }],
    [["-o", "-"], { file: "-", obscure: true }],
  ] as const)("%j gives %j", (words, expected) => {
    expect(parseArguments(words, defs)).toEqual({ ...defaults, ...expected } as never);
  });
});

describe("what is refused with exit status 2", () => {
  test.each([
    ["an unknown option", ["--bogus"], "unknown option --bogus"],
    ["a misspelt option", ["--fromat", "x"], "unknown option --fromat, did you mean --format"],
    ["a misspelt negation", ["--no-verfy"], "unknown option --no-verfy, did you mean --no-verify"],
    ["an unknown option, without its value", ["--token=SECRET"], "unknown option --token"],
    ["a long option with one dash", ["-name", "a"], "unknown option -name, did you mean --name"],
    ["a long option with one dash and a value", ["-format=env"], "unknown option -format, did you mean --format"],
    ["a glued value that is none of the enum", ["-fjsn"], "-f must be one of json, env, did you mean json"],
    ["the beginning of an option", ["--config", "/x"], "unknown option --config, did you mean --config-dir"],
    ["a glued value of an option of two letters", ["-cd/x"], "unknown option -cd/x"],
    ["glued flags", ["-on", "a"], "unknown option -on"],
    ["a negated option that is no boolean", ["--no-name"], "unknown option --no-name"],
    ["a missing value at the end", ["-n"], "-n needs a value"],
    ["an option in the place of a value", ["--name", "--obscure"], "--name needs a value"],
    ["a value of a flag", ["--obscure=true"], "--obscure takes no value"],
    ["an option given twice", ["-n", "a", "--name", "b"], "--name is given twice"],
    ["a flag given twice", ["-o", "-o"], "-o is given twice"],
    ["a flag and its negation", ["--verify", "--no-verify"], "--no-verify is given twice"],
    ["a value that is none of the enum", ["-f", "jsn"], "-f must be one of json, env, did you mean json"],
    ["an empty value of an enum", ["-f="], "-f must be one of json, env"],
    ["one operand too many", ["a", "b"], "unexpected argument b"],
    ["a property of every object", ["--toString"], "unknown option --toString"],
  ] as const)("%s", (_, words, message) => {
    const error = failure(words);
    expect(error.message).toBe(message);
    expect(error.exitStatus).toBe(2);
    expect(error.hint).toBe("keyhole x --help");
  });

  test("a required option that is missing", () => {
    const required = { role: { type: "string", required: true, description: "Role" } } as const;
    expect(failure([], required).message).toBe("--role is missing");
    expect(parseArguments(["--role", "r"], required).role).toBe("r");
  });

  test("a required operand that is missing", () => {
    const required = { shell: { type: "positional", description: "Shell" } } as const;
    expect(failure([], required).message).toBe("SHELL is missing");
  });
});

test("an option that is not defined does not compile", () => {
  const args = parseArguments([], defs);
  // @ts-expect-error misspelt
  expect(args.fromat).toBeUndefined();
  const format: "json" | "env" = args.format;
  const obscure: boolean = args.obscure;
  const name: string | undefined = args.name;
  const set: readonly string[] = args.set;
  expect([format, obscure, name, set]).toEqual(["json", false, undefined, []]);
});

test("nothing behind -- is ours", () => {
  expect(splitRest(["exec", "-n", "a", "--", "aws", "--help", "--", "x"])).toEqual({
    own: ["exec", "-n", "a"],
    rest: ["aws", "--help", "--", "x"],
  });
  expect(splitRest(["export"]).rest).toBeUndefined();
  expect(splitRest(["exec", "--"]).rest).toEqual([]);
});

test("an option that may be an operand is given once", () => {
  const named = { name: { type: "string", alias: "n", operand: true, description: "Name" } } as const;
  expect([["a"], ["-n", "a"]].map((words) => parseArguments(words, named).name)).toEqual(["a", "a"]);
  for (const words of [
    ["a", "-n", "b"],
    ["-n", "b", "a"],
    ["a", "-n", "a"],
  ])
    expect(failure(words, named).message).toBe("NAME is given twice: a, and by -n");
});

test("an operand's name is no option", () => {
  expect(findOption("--file", defs)).toBeUndefined();
});
