import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Config } from "../../src/config/config.ts";
import { systemClock } from "../../src/clock.ts";
import { type MfaRequest, obtainCode } from "../../src/sources/mfa.ts";
import { FakeClock } from "../daemon/fakes/clock.ts";
import { rejectionOf } from "../thrown.ts";
import { type Home, makeHome, ROLE } from "./fixture.ts";

const SerialNumber = "arn:aws:iam::111122223333:mfa/tester";

let home: Home;

beforeAll(() => {
  home = makeHome();
});
afterAll(() => home.remove());

function obtain(
  command: string | readonly string[] | undefined,
  assume: object = { SerialNumber },
  change: Partial<MfaRequest> = {},
) {
  const config: Config = {
    AssumeRole: { RoleArn: ROLE, ...assume },
    ...(command === undefined ? {} : { MFA: { command } }),
  };
  return obtainCode({
    name: "demo",
    config,
    environment: { PATH: `${home.path}:${process.env["PATH"]}` },
    helper: undefined,
    clock: systemClock,
    signal: new AbortController().signal,
    ...change,
  });
}

describe("a code", () => {
  test.each([
    ["echo 123456", "123456"],
    [["echo", "123456 then 654321"], "654321"],
    ["echo 'code: 123456.'", "123456"],
    ["echo 1234567 x123456 000001", "000001"],
  ])("comes from %p", async (command, code) => {
    expect(await obtain(command)).toEqual({ code, notes: [] });
  });

  test("comes from the config where there is no command", async () => {
    expect(await obtain(undefined, { SerialNumber, TokenCode: "111111" })).toEqual({ code: "111111", notes: [] });
  });

  test("is not asked for without a device", async () => {
    expect(await obtain(undefined, {})).toEqual({ code: undefined, notes: [] });
  });

  test("comes from the command where there is one in the config as well, with a note", async () => {
    const { code, notes } = await obtain("echo 123456", { SerialNumber, TokenCode: "111111" });
    expect(code).toBe("123456");
    expect(notes).toEqual(["AssumeRole.TokenCode is ignored: MFA.command gives the code"]);
  });

  test("comes from a program in the requester's PATH, without a shell", async () => {
    home.write("show-code", '#!/bin/sh\necho "$# 123456"\n', 0o700);
    expect((await obtain("show-code $HOME;ls '*'")).code).toBe("123456");
  });
});

describe("no code", () => {
  test.each([
    { title: "an empty command", command: " ", kind: "invalid-config", what: "empty" },
    { title: "an open quote", command: "echo 'canary", kind: "invalid-config", what: "quote" },
    { title: "a program that is not there", command: "canary-x", kind: "invalid-config", what: "not found" },
    { title: "a file that may not be executed", command: "/dev/null", kind: "invalid-config", what: "executed" },
    {
      title: "a failure",
      command: ["sh", "-c", "echo canary 123456; exit 7"],
      kind: "person-needed",
      what: "status 7",
    },
    { title: "no six digits", command: "echo canary", kind: "person-needed", what: "no six-digit code" },
    { title: "too much", command: "yes canary", kind: "person-needed", what: "64 KiB" },
    {
      title: "a failure, with its last line and no code",
      command: ["sh", "-c", "echo canary >&2; echo device 123456 is locked >&2; exit 7"],
      kind: "person-needed",
      what: "failed with status 7",
      said: "device *** is locked",
    },
  ])("comes of $title", async ({ command, kind, what, said = "" }) => {
    const refused = await rejectionOf(obtain(command));
    expect(refused).toMatchObject({ kind, hint: "keyhole config update -n demo" });
    expect(refused.message).toContain(what);
    expect(refused.said).toBe(said);
    expect(refused.told).not.toContain("canary");
  });

  test("comes in time from a command that hangs", async () => {
    const clock = new FakeClock();
    const obtaining = rejectionOf(obtain("sleep 600", { SerialNumber }, { clock }));
    await clock.advance(60_000);
    expect(await obtaining).toMatchObject({ kind: "person-needed", message: "MFA.command did not end within 60 s" });
  });

  test("comes of a command without a device", async () => {
    expect((await rejectionOf(obtain("echo 123456", {}))).kind).toBe("invalid-config");
  });

  test("comes of a device alone", async () => {
    expect(await rejectionOf(obtain(undefined))).toMatchObject({ kind: "person-needed", exitStatus: 5 });
  });
});
