import { expect, test } from "bun:test";
import { inspectConfig } from "../../src/config/parse.ts";

const ROLE = "arn:aws:iam::123456789012:role/demo";

/** What the config says at `Section.key` where the file has this text; undefined if the text is no config. */
function read(section: string, key: string, written: string, head = ""): unknown {
  const role = section === "AssumeRole" ? `, ${key}: ${written}` : "";
  const rest = section === "AssumeRole" ? "" : `\n${section}: {${key}: ${written}}`;
  const found = inspectConfig(`${head}AssumeRole: {RoleArn: '${ROLE}', SerialNumber: 'GAHT12345678'${role}}
MFA: {command: code, timeout: '3_0'}${rest}`);
  if (!("config" in found)) return undefined;
  return (found.config as unknown as Record<string, Record<string, unknown>>)[section]?.[key];
}

test.each([
  ["3600", 3600],
  ["'3600'", 3600],
  ['"3_600"', 3600],
  ["3_600", 3600],
  ["+3600", 3600],
  ["' 3600 '", 3600],
  ["03600", 3600],
  ["0xE10", 3600],
  ["3600.0", 3600],
  ["3.5", undefined],
  ["_3600", undefined],
  ["''", undefined],
  ["1:00:00", undefined],
])("the number %s means %j (E-032)", (written, meant) => {
  expect(read("AssumeRole", "DurationSeconds", written)).toBe(meant as never);
});

test("a leading zero makes a number octal in YAML 1.1 alone", () => {
  expect(read("AssumeRole", "DurationSeconds", "07020", "%YAML 1.1\n---\n")).toBe(3600);
  expect(read("AssumeRole", "DurationSeconds", "'07020'", "%YAML 1.1\n---\n")).toBe(7020);
  expect(read("AssumeRole", "DurationSeconds", "07020", "%YAML 1.2\n---\n")).toBe(7020);
});

for (const key of ["use_ssl", "verify"]) {
  test.each([
    ["true", true],
    ["'true'", true],
    ["yes", true],
    ["On", true],
    ["y", true],
    ["1", true],
    ["no", false],
    ["'FALSE'", false],
    ["off", false],
    ["0", false],
    ["'0'", false],
  ])(`%s means %j for ${key} (E-032)`, (written, meant) => {
    expect(read("STS", key, written)).toBe(meant);
  });
}

test.each([
  ["/etc/ssl/no", "/etc/ssl/no"],
  ["'yes.pem'", "yes.pem"],
])("the path %s stays one", (written, meant) => {
  expect(read("STS", "verify", written)).toBe(meant);
});

test.each([
  ["012345678901", "012345678901"],
  ["'012345678901'", "012345678901"],
  ["000000000017", "000000000017"],
  ["0_12345678901", undefined],
  ["0xABCDEF", undefined],
])("the account %s means %j, also in YAML 1.1", (written, meant) => {
  for (const head of ["", "%YAML 1.1\n---\n"]) {
    expect(read("STS", "aws_account_id", written, head)).toBe(meant as never);
    expect(read("Session", "aws_account_id", written, head)).toBe(meant as never);
  }
});

test.each(["089123", "000001"])("the token code %s keeps its zeros", (code) => {
  expect(read("AssumeRole", "TokenCode", code, "%YAML 1.1\n---\n")).toBe(code);
});
