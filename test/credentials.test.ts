import { expect, test } from "bun:test";
import { inspect } from "node:util";
import { Credentials, formatExpiration, formatProcessLine } from "../src/credentials.ts";

const expiresAt = Date.UTC(2026, 10, 20, 12, 0, 0, 999);
const fields = { accessKeyId: "ASIAEXAMPLE", secretAccessKey: "SECRET-KEY", sessionToken: "SECRET-TOKEN", expiresAt };

test.each([
  ["String", String],
  ["JSON.stringify", JSON.stringify],
  ["node's inspect", (value: unknown) => inspect(value, { showHidden: true, depth: 9 })],
  ["Bun's inspect", (value: unknown) => Bun.inspect(value, { depth: 9 })],
  ["a copy of the properties", (value: object) => JSON.stringify({ ...value })],
  ["an error that carries it", (value: unknown) => inspect(new Error("x", { cause: value }))],
] as const)("%s shows no secret", (_, show) => {
  for (const shown of [show(new Credentials(fields)), show({ inner: new Credentials(fields) })]) {
    expect(shown).not.toContain("SECRET");
  }
});

test("the fields are there for whoever reads them by name", () => {
  const { accessKeyId, secretAccessKey, sessionToken, accountId } = new Credentials(fields);
  expect([accessKeyId, secretAccessKey, sessionToken, accountId]).toEqual([
    "ASIAEXAMPLE",
    "SECRET-KEY",
    "SECRET-TOKEN",
    undefined,
  ]);
});

test("an expiration is cut to whole seconds, so that nobody uses credentials too long", () => {
  expect(formatExpiration(expiresAt)).toBe("2026-11-20T12:00:00Z");
});

test("the answer of a credential_process is one line, without what is not known", () => {
  const text = new TextDecoder().decode(formatProcessLine(new Credentials(fields)));
  expect(text).toBe(
    '{"Version":1,"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"SECRET-KEY","SessionToken":"SECRET-TOKEN",' +
      '"Expiration":"2026-11-20T12:00:00Z"}\n',
  );
});
