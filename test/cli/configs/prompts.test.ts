import { describe, expect, test } from "bun:test";
import { formatPath, keysAt, type Path } from "../../../src/config/fields.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { askMore, askNew, listParameters } from "../../../src/cli/configs/questions.ts";
import type { Ui } from "../../../src/cli/ui.ts";

const ROLE = "arn:aws:iam::123456789012:role/demo";
const MFA = "arn:aws:iam::123456789012:mfa/x";
const PROFILES = [
  { value: "base", details: ["keys of ~/.aws"] },
  { value: "dev", details: ["123456789012 demo"] },
];

interface Asked {
  readonly ui: Ui;
  /** Questions with the answer that stood there: `AssumeRole.Policy [x]`. */
  readonly questions: string[];
  readonly warnings: string[];
}

/** A person who gives these answers, in their order; of a list its line begins with the answer. */
function person(...answers: readonly unknown[]): Asked {
  const left = [...answers];
  const questions: string[] = [];
  const warnings: string[] = [];
  const reply = (question: string, byDefault: string | undefined) => {
    questions.push(byDefault === undefined ? question : `${question} [${byDefault}]`);
    if (left.length === 0 || left[0] === "^C") throw new KeyholeError("interrupted", "interrupted");
    return Promise.resolve(left.shift() as never);
  };
  const ui: Ui = {
    notice: () => {},
    hint: () => {},
    warn: (text) => void warnings.push(text),
    fail: () => {},
    isWatched: () => Promise.resolve(true),
    waiting: () => ({ [Symbol.dispose]() {} }),
    isInteractive: () => Promise.resolve(true),
    askText: (question, options = {}) => reply(question, options.initial),
    askYesNo: (question) => reply(question, undefined),
    askChoice: async (question, choices) => {
      const answer: string = await reply(question, undefined);
      return choices.find(({ value }) => value === answer)!.value;
    },
  };
  return { ui, questions, warnings };
}

describe("a new config", () => {
  test("takes a profile, a role, and nothing more unless it is asked for", async () => {
    const { ui, questions } = person("base", ROLE, false);
    expect(await askNew(ui, PROFILES)).toEqual({ AssumeRole: { RoleArn: ROLE }, Session: { profile_name: "base" } });
    expect(questions).toEqual([
      "Which profile's credentials?",
      "Role to assume, its ARN (empty: base as it is)",
      "More? Region, duration, external id, MFA, tags and so on",
    ]);
  });

  test("is a profile as it is without a role", async () => {
    expect(await askNew(person("dev", "", false).ui, PROFILES)).toEqual({ Session: { profile_name: "dev" } });
  });

  test("wants a role where there is no profile, and says what is wrong with one", async () => {
    const { ui, questions, warnings } = person("", "nonsense", ROLE, false);
    expect(await askNew(ui, [])).toEqual({ AssumeRole: { RoleArn: ROLE } });
    expect(questions.slice(0, 3)).toEqual(Array.from({ length: 3 }, () => "Role to assume, its ARN"));
    expect(warnings).toHaveLength(2);
    for (const text of warnings) expect(text).toStartWith("AssumeRole.RoleArn must be the ARN of a role");
    expect(await askNew(person("(none of these)", ROLE, false).ui, PROFILES)).toEqual({
      AssumeRole: { RoleArn: ROLE },
    });
  });

  test("may have every parameter, booleans as booleans and numbers as numbers (E-053)", async () => {
    const more = [
      ["AssumeRole.RoleSessionName", "me"],
      ["AssumeRole.PolicyArns", "arn:aws:iam::aws:policy/ReadOnlyAccess", ""],
      ["AssumeRole.DurationSeconds", "3600"],
      ["AssumeRole.ExternalId", "0123"],
      ["AssumeRole.Tags", "team=web", "stage=dev", ""],
      ["STS.use_ssl", "false"],
      ["STS.verify", "/etc/ca.pem"],
      ["MFA.command", "[oathtool, --totp, x]"],
      ["AssumeRole.SerialNumber", MFA],
      ["pin", "true"],
      ["(done)"],
    ];
    const { ui, warnings } = person("base", ROLE, true, ...more.flat());
    expect(await askNew(ui, PROFILES)).toEqual({
      AssumeRole: {
        RoleArn: ROLE,
        RoleSessionName: "me",
        PolicyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
        DurationSeconds: 3600,
        ExternalId: "0123",
        Tags: [
          { Key: "team", Value: "web" },
          { Key: "stage", Value: "dev" },
        ],
        SerialNumber: MFA,
      },
      Session: { profile_name: "base" },
      STS: { use_ssl: false, verify: "/etc/ca.pem" },
      MFA: { command: ["oathtool", "--totp", "x"] },
      pin: true,
    });
    expect(warnings).toEqual([]);
  });
});

test("every parameter of the schema is offered, with a line of what it is", () => {
  const paths = keysAt([]).flatMap((key): Path[] => {
    const below = keysAt([key]);
    return below.length === 0 ? [[key]] : below.map((each) => [key, each]);
  });
  const offered = listParameters();
  expect(offered.map(({ path }) => formatPath(path)).toSorted()).toEqual(paths.map(formatPath).toSorted());
  // Beside the longest name in 80 columns.
  for (const { meaning } of offered) expect(meaning).toMatch(/^.{8,45}$/);
});

describe("a bad answer is asked again, with the reason", () => {
  test.each<[parameter: string, answers: string[], warning: string]>([
    ["AssumeRole.RoleArn", ["x", ROLE], "AssumeRole.RoleArn must be the ARN of a role"],
    ["AssumeRole.DurationSeconds", ["an hour", "3600"], "AssumeRole.DurationSeconds must be a whole number"],
    ["AssumeRole.DurationSeconds", ["99999", "3600"], "AssumeRole.DurationSeconds must be at most 43200"],
    ["AssumeRole.Policy", ["{", '{"a":1}'], "AssumeRole.Policy must be a JSON object"],
    ["AssumeRole.TokenCode", ["12", ""], "AssumeRole.TokenCode must be six digits"],
  ])("%s: %j", async (parameter, answers, warning) => {
    const { ui, warnings } = person(parameter, ...answers, "(done)");
    await askMore(ui, { AssumeRole: { RoleArn: ROLE } });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toStartWith(warning);
  });
});

test("what does not fit together is said, and nothing is lost", async () => {
  const { ui, questions, warnings } = person(
    "MFA.command",
    "oathtool",
    "(done)",
    "AssumeRole.SerialNumber",
    MFA,
    "(done)",
  );
  expect(await askMore(ui, { AssumeRole: { RoleArn: ROLE } })).toEqual({
    AssumeRole: { RoleArn: ROLE, SerialNumber: MFA },
    MFA: { command: "oathtool" },
  });
  expect(warnings).toEqual(["AssumeRole.SerialNumber is required with MFA.command"]);
  expect(questions.filter((question) => question === "Which parameter?")).toHaveLength(4);
});

describe("what is there", () => {
  const there = {
    AssumeRole: { RoleArn: ROLE, DurationSeconds: 900, PolicyArns: ["arn:aws:iam::aws:policy/X"] },
    STS: { aws_access_key_id: "AKIA", aws_secret_access_key: "SECRET" },
  };

  test("is kept without an answer, and filled in, a secret apart", async () => {
    const { ui, questions } = person(
      "AssumeRole.DurationSeconds",
      "900",
      "AssumeRole.PolicyArns",
      "",
      "STS.aws_secret_access_key",
      "",
      "(done)",
    );
    expect(await askMore(ui, there)).toEqual(there);
    expect(questions).toContain("AssumeRole.DurationSeconds [900]");
    expect(questions).toContain("AssumeRole.PolicyArns, one item (empty keeps what is there)");
    expect(questions).toContain("STS.aws_secret_access_key (not shown; empty keeps it)");
    expect(questions.join()).not.toContain("SECRET");
  });

  test("is removed by an empty answer, and its section with the last", async () => {
    const { ui } = person("Meta.description", "", "AssumeRole.DurationSeconds", "", "(done)");
    const value = { AssumeRole: { RoleArn: ROLE, DurationSeconds: 900 }, Meta: { description: "x" } };
    expect(await askMore(ui, value)).toEqual({ AssumeRole: { RoleArn: ROLE } });
  });
});

test("a secret is asked for without being shown", async () => {
  const options: unknown[] = [];
  const { ui } = person("Session.aws_secret_access_key", "S", "(done)");
  const spying: Ui = { ...ui, askText: (question, given) => (options.push(given), ui.askText(question, given)) };
  const value = { Session: { aws_access_key_id: "AKIA" }, AssumeRole: { RoleArn: ROLE } };
  await askMore(spying, value);
  expect(options).toEqual([{ isSecret: true }]);
});

test("Ctrl-C goes through", async () => {
  const asked = askNew(person("^C").ui, PROFILES).catch((error: Error) => error.message);
  expect(await asked).toBe("interrupted");
});
