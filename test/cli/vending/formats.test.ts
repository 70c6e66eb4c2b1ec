import { describe, expect, test } from "bun:test";
import { regionVariables } from "../../../src/environment.ts";
import { formatNames, formats, obscure, parseProcessLine, variablesOf } from "../../../src/cli/vending/formats.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { PROCESS_LINE } from "../fakes/daemon.ts";

const line = new TextEncoder().encode(PROCESS_LINE);
const credentials = parseProcessLine(line, regionVariables({}, "eu-west-1"));
const withoutRegion = parseProcessLine(line);

test("every format prints exactly this", () => {
  const printed = Object.fromEntries(formatNames.map((name) => [name, formats[name](credentials)]));
  expect(printed).toMatchInlineSnapshot(`
    {
      "credential-process": "{"Version":1,"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"se/cr+et","SessionToken":"to//ken==","Expiration":"2026-11-20T13:00:00Z","AccountId":"111122223333"}",
      "dotenv": 
    "AWS_ACCESS_KEY_ID=ASIAEXAMPLE
    AWS_SECRET_ACCESS_KEY=se/cr+et
    AWS_SESSION_TOKEN=to//ken==
    AWS_CREDENTIAL_EXPIRATION=2026-11-20T13:00:00Z
    AWS_REGION=eu-west-1
    AWS_DEFAULT_REGION=eu-west-1"
    ,
      "env": 
    "export AWS_ACCESS_KEY_ID=ASIAEXAMPLE
    export AWS_SECRET_ACCESS_KEY=se/cr+et
    export AWS_SESSION_TOKEN=to//ken==
    export AWS_CREDENTIAL_EXPIRATION=2026-11-20T13:00:00Z
    export AWS_REGION=eu-west-1
    export AWS_DEFAULT_REGION=eu-west-1"
    ,
      "fish": 
    "set -gx AWS_ACCESS_KEY_ID 'ASIAEXAMPLE'
    set -gx AWS_SECRET_ACCESS_KEY 'se/cr+et'
    set -gx AWS_SESSION_TOKEN 'to//ken=='
    set -gx AWS_CREDENTIAL_EXPIRATION '2026-11-20T13:00:00Z'
    set -gx AWS_REGION 'eu-west-1'
    set -gx AWS_DEFAULT_REGION 'eu-west-1'"
    ,
      "json": 
    "{
      "access_key": "ASIAEXAMPLE",
      "secret_key": "se/cr+et",
      "token": "to//ken==",
      "expiry_time": "2026-11-20T13:00:00Z"
    }"
    ,
      "nushell": "{"AWS_ACCESS_KEY_ID":"ASIAEXAMPLE","AWS_SECRET_ACCESS_KEY":"se/cr+et","AWS_SESSION_TOKEN":"to//ken==","AWS_CREDENTIAL_EXPIRATION":"2026-11-20T13:00:00Z","AWS_REGION":"eu-west-1","AWS_DEFAULT_REGION":"eu-west-1"}",
      "powershell": 
    "$env:AWS_ACCESS_KEY_ID = 'ASIAEXAMPLE'
    $env:AWS_SECRET_ACCESS_KEY = 'se/cr+et'
    $env:AWS_SESSION_TOKEN = 'to//ken=='
    $env:AWS_CREDENTIAL_EXPIRATION = '2026-11-20T13:00:00Z'
    $env:AWS_REGION = 'eu-west-1'
    $env:AWS_DEFAULT_REGION = 'eu-west-1'"
    ,
      "sts": "{"Credentials":{"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"se/cr+et","SessionToken":"to//ken==","Expiration":"2026-11-20T13:00:00Z"}}",
      "windows-cmd": 
    "set "AWS_ACCESS_KEY_ID=ASIAEXAMPLE"
    set "AWS_SECRET_ACCESS_KEY=se/cr+et"
    set "AWS_SESSION_TOKEN=to//ken=="
    set "AWS_CREDENTIAL_EXPIRATION=2026-11-20T13:00:00Z"
    set "AWS_REGION=eu-west-1"
    set "AWS_DEFAULT_REGION=eu-west-1""
    ,
    }
  `);
});

test("every format obscured prints nothing but expiry and region", () => {
  for (const name of formatNames) {
    const text = formats[name](obscure(credentials));
    expect(text).toContain("***");
    for (const secret of ["ASIAEXAMPLE", "se/cr+et", "to//ken==", "111122223333"]) expect(text).not.toContain(secret);
    expect(text).toContain("2026-11-20T13:00:00Z");
  }
});

test("the formatted credential_process document is the daemon's line", () => {
  expect(`${formats["credential-process"](credentials)}\n`).toBe(PROCESS_LINE);
});

test("a session without a region sets none", () => {
  for (const name of formatNames) expect(formats[name](withoutRegion)).not.toContain("REGION");
});

describe("the variables of a shell", () => {
  test.each(["sh", "bash", "dash", "zsh"].filter((shell) => Bun.which(shell) !== null))(
    "reach the environment of %s's children through eval",
    (shell) => {
      const script = `eval "$(cat)"; env`;
      const result = Bun.spawnSync([shell, "-c", script], {
        stdin: Buffer.from(formats.env(credentials)),
        env: { PATH: process.env["PATH"] },
      });
      const seen = result.stdout
        .toString()
        .split("\n")
        .filter((entry) => entry.startsWith("AWS_"));
      expect(seen.toSorted()).toEqual(
        Object.entries(variablesOf(credentials))
          .map((pair) => pair.join("="))
          .toSorted(),
      );
    },
  );

  test("are one record for nushell, and one document for those who read JSON", () => {
    expect(JSON.parse(formats.nushell(credentials))).toEqual(variablesOf(credentials));
    expect(JSON.parse(formats.sts(credentials))).toEqual({
      Credentials: {
        AccessKeyId: "ASIAEXAMPLE",
        SecretAccessKey: "se/cr+et",
        SessionToken: "to//ken==",
        Expiration: "2026-11-20T13:00:00Z",
      },
    });
  });
});

test.each([
  "",
  "nonsense with SECRET",
  "[]",
  "null",
  "{}",
  '{"AccessKeyId":"SECRET"}',
  '{"AccessKeyId":1,"SecretAccessKey":"SECRET"}',
  // What an environment would cut, and a shell or a terminal obey.
  '{"AccessKeyId":"ASIA","SecretAccessKey":"SECRET\\u0000cut"}',
  '{"AccessKeyId":"ASIA","SecretAccessKey":"SECRET","SessionToken":"two\\nlines"}',
  '{"AccessKeyId":"ASIA","SecretAccessKey":"SECRET","AccountId":"\\u009b31m"}',
])("the line %j is refused without being repeated", (text) => {
  const parse = () => parseProcessLine(new TextEncoder().encode(text));
  expect(parse).toThrow(KeyholeError);
  expect(parse).not.toThrow("SECRET");
});
