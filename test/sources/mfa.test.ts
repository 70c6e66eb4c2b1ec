import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/clock.ts";
import { type MfaRequest, runMfaCommand } from "../../src/sources/mfa.ts";
import { FakeClock } from "../daemon/fakes/clock.ts";
import { rejectionOf } from "../thrown.ts";
import { type Home, makeHome } from "./fixture.ts";

const SERIAL = "arn:aws:iam::111122223333:mfa/tester";

let home: Home;

beforeAll(() => {
  home = makeHome();
});
afterAll(() => home.remove());

function obtain(command: string | readonly string[], change: Partial<MfaRequest> = {}) {
  return runMfaCommand({
    name: "demo",
    mfa: { command },
    serial: SERIAL,
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
    expect(await obtain(command)).toBe(code);
  });

  test.each([{ command: "show-device '{serial}'" }, { command: ["show-device", "{serial}"] }])(
    "is that of the device: %j",
    async ({ command }) => {
      home.write("show-device", `#!/bin/sh\n[ "$1" = ${SERIAL} ] && echo 123456\n`, 0o700);
      expect(await obtain(command)).toBe("123456");
    },
  );

  test("comes from a program in the requester's PATH, without a shell", async () => {
    home.write("show-code", '#!/bin/sh\necho "$# 123456"\n', 0o700);
    expect(await obtain("show-code $HOME;ls '*'")).toBe("123456");
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
    const obtaining = rejectionOf(obtain("sleep 600", { clock }));
    await clock.advance(60_000);
    expect(await obtaining).toMatchObject({ kind: "person-needed", message: "MFA.command did not end within 60 s" });
  });
});
