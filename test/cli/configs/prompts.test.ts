import { describe, expect, test } from "bun:test";
import { KeyholeError } from "../../../src/errors.ts";
import { askConfig } from "../../../src/cli/configs/questions.ts";
import type { Ui } from "../../../src/cli/ui.ts";

const ROLE = "arn:aws:iam::123456789012:role/demo";

interface Asked {
  readonly ui: Ui;
  /** Questions with the answer that stood there: `AssumeRole.Policy [x]`. */
  readonly questions: string[];
  readonly warnings: string[];
}

/**
 * A person who answers what is listed, and presses Enter for the rest: the default of a yes or no, the text that
 * stands there. A list of answers is used up one by one.
 */
function person(answers: Readonly<Record<string, unknown>>): Asked {
  const left = new Map(Object.entries(answers).map(([question, answer]) => [question, [answer].flat()]));
  const questions: string[] = [];
  const warnings: string[] = [];
  const reply = (question: string, byDefault: unknown) => {
    questions.push(`${question} [${String(byDefault)}]`);
    const key = [...left.keys()].find((each) => question.startsWith(each));
    const answer = key === undefined ? undefined : left.get(key)!.shift();
    if (answer === "^C") throw new KeyholeError("interrupted", "interrupted");
    return Promise.resolve((answer ?? byDefault) as never);
  };
  const ui: Ui = {
    notice: () => {},
    hint: () => {},
    warn: (text) => void warnings.push(text),
    fail: () => {},
    isWatched: () => Promise.resolve(true),
    isInteractive: () => Promise.resolve(true),
    askText: (question, options = {}) => reply(question, options.initial ?? ""),
    askYesNo: reply,
    askChoice: () => Promise.reject(new Error("not expected")),
  };
  return { ui, questions, warnings };
}

function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "nothing was thrown",
    (error: Error) => error.message,
  );
}

test("Enter on everything but the role gives a config of the role alone, in elhaz's order", async () => {
  const { ui, questions } = person({ "AssumeRole.RoleArn": ROLE });
  expect(await askConfig(ui, {})).toEqual({ AssumeRole: { RoleArn: ROLE } });
  expect(questions).toEqual([
    "Add a description? [false]",
    "AssumeRole.RoleArn (required) []",
    "Configure optional AssumeRole parameters? [false]",
    "Add STS? [false]",
    "Add MFA? [false]",
    "Add Session? [false]",
  ]);
});

test("every parameter can be given, booleans as booleans and numbers as numbers", async () => {
  const { ui, questions, warnings } = person({
    "Add a description?": true,
    "Meta.description": "for me",
    "AssumeRole.RoleArn": ROLE,
    "Configure optional": true,
    "AssumeRole.RoleSessionName": "me",
    "Add AssumeRole.PolicyArns?": true,
    "AssumeRole.PolicyArns,": ["arn:aws:iam::aws:policy/ReadOnlyAccess", ""],
    "AssumeRole.Policy": '{"Version":"2012-10-17"}',
    "AssumeRole.DurationSeconds": "3600",
    "AssumeRole.ExternalId": "0123",
    "AssumeRole.SerialNumber": "arn:aws:iam::123456789012:mfa/x",
    "Add AssumeRole.Tags?": true,
    "AssumeRole.Tags,": ["team=web", "stage=dev", ""],
    "Add STS?": true,
    "STS.use_ssl": "false",
    "STS.verify": "/etc/ca.pem",
    "Add MFA?": true,
    "MFA.command": "[oathtool, --totp, x]",
    "Add Session?": true,
    "Session.profile_name": "dev",
  });
  expect(await askConfig(ui, {})).toEqual({
    Meta: { description: "for me" },
    AssumeRole: {
      RoleArn: ROLE,
      RoleSessionName: "me",
      PolicyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
      Policy: '{"Version":"2012-10-17"}',
      DurationSeconds: 3600,
      ExternalId: "0123",
      SerialNumber: "arn:aws:iam::123456789012:mfa/x",
      Tags: [
        { Key: "team", Value: "web" },
        { Key: "stage", Value: "dev" },
      ],
    },
    STS: { use_ssl: false, verify: "/etc/ca.pem" },
    MFA: { command: ["oathtool", "--totp", "x"], timeout: 30 },
    Session: { profile_name: "dev" },
  });
  expect(warnings).toEqual([]);
  expect(questions.filter((question) => question.includes("AssumeRole."))).toHaveLength(12 + 5);
});

describe("a bad answer is asked again, with the reason", () => {
  test.each<[question: string, answers: string[], warning: string]>([
    ["AssumeRole.RoleArn", ["", "x", ROLE], "AssumeRole.RoleArn must be the ARN of a role"],
    ["AssumeRole.DurationSeconds", ["an hour", "3600"], "AssumeRole.DurationSeconds must be a whole number"],
    ["AssumeRole.DurationSeconds", ["99999", "3600"], "AssumeRole.DurationSeconds must be at most 43200"],
    ["AssumeRole.Policy", ["{", '{"a":1}'], "AssumeRole.Policy must be a JSON object"],
    ["AssumeRole.TokenCode", ["12", ""], "AssumeRole.TokenCode must be six digits"],
  ])("%s: %j", async (question, answers, warning) => {
    const { ui, warnings } = person({ "AssumeRole.RoleArn": ROLE, "Configure optional": true, [question]: answers });
    await askConfig(ui, {});
    expect(warnings.length).toBeGreaterThan(0);
    for (const text of warnings) expect(text).toStartWith(warning);
  });
});

test("answers that do not fit together are gone through again, with what was said filled in", async () => {
  const { ui, questions, warnings } = person({
    "AssumeRole.RoleArn": [ROLE],
    "Add MFA?": [true],
    "MFA.command": ["oathtool"],
    "Go through": [true],
    "Configure optional": [false, true],
    "AssumeRole.SerialNumber": ["arn:aws:iam::123456789012:mfa/x"],
  });
  expect(await askConfig(ui, {})).toEqual({
    AssumeRole: { RoleArn: ROLE, SerialNumber: "arn:aws:iam::123456789012:mfa/x" },
    MFA: { command: "oathtool", timeout: 30 },
  });
  expect(warnings).toEqual(["AssumeRole.SerialNumber is required with MFA.command"]);
  expect(questions).toContain(`AssumeRole.RoleArn (required) [${ROLE}]`);
});

test("whoever gives up saves nothing", async () => {
  const { ui } = person({ "AssumeRole.RoleArn": ROLE, "Add MFA?": true, "MFA.command": "x", "Go through": false });
  expect(await failure(askConfig(ui, {}))).toBe("the answers are not a valid config; nothing was saved");
});

test("Ctrl-C goes through", async () => {
  const { ui } = person({ "AssumeRole.RoleArn": "^C" });
  expect(await failure(askConfig(ui, {}))).toBe("interrupted");
});

describe("with a config that is there", () => {
  const initial = {
    AssumeRole: { RoleArn: ROLE, DurationSeconds: 900, Tags: [{ Key: "a", Value: "b" }] },
    STS: { verify: false, aws_access_key_id: "AKIAX", aws_secret_access_key: "CANARY" },
    Session: { profile_name: "dev" },
    Meta: { description: "mine" },
    pin: true,
  };

  test("Enter on everything changes nothing", async () => {
    const { ui } = person({});
    expect(await askConfig(ui, initial)).toEqual(initial);
  });

  test("a No to a section keeps it", async () => {
    const no = { "Change a description?": false, "Change STS?": false, "Change Session?": false };
    const { ui } = person({ ...no, "Configure optional": true, "AssumeRole.DurationSeconds": "1200" });
    expect(await askConfig(ui, initial)).toEqual({
      ...initial,
      AssumeRole: { ...initial.AssumeRole, DurationSeconds: 1200 },
    });
  });

  test("an empty answer takes a value out, and a section with its last", async () => {
    const { ui } = person({ "Change Session?": true, "Session.profile_name": "" });
    const { Session: _, ...rest } = initial;
    expect(await askConfig(ui, initial)).toEqual(rest);
  });

  test("a secret is not shown, and an empty answer keeps it", async () => {
    const { ui, questions } = person({ "Change STS?": true });
    expect(await askConfig(ui, initial)).toEqual(initial);
    expect(questions.join("\n")).not.toContain("CANARY");
    expect(questions).toContain("STS.aws_secret_access_key (empty keeps it) []");
    expect(questions).toContain("STS.verify [false]");
  });
});
