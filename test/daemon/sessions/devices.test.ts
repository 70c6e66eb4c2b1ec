// Sessions and the MFA device behind them together, over hours: what a person is asked.
import { expect, test } from "bun:test";
import { Credentials } from "../../../src/credentials.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { createCodes, createUsedCodes } from "../../../src/sources/codes.ts";
import { createDevices, DEVICE_SESSION, type DevicesOptions } from "../../../src/sources/devices.ts";
import type { Target } from "../../../src/sources/sts/target.ts";
import { roleConfig } from "../fakes/configs.ts";
import { errorOf, newWorld } from "../fakes/world.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const SERIAL = "arn:aws:iam::111122223333:mfa/jane";
const ROLES = ["a", "b", "c", "d", "e"];

const target: Target = {
  region: "us-east-1",
  namedRegion: undefined,
  endpoint: undefined,
  useFips: false,
  useDualstack: false,
  useGlobal: false,
  tls: { enabled: true, verify: true, ca: undefined, extraCa: undefined },
  proxies: { http: undefined, https: undefined, no: "" },
};

const explain = (error: unknown): KeyholeError => new KeyholeError("internal", String(error));

/** Sessions of five roles, each assumed with the session of the one device. */
function newDeviceWorld() {
  const it = newWorld();
  const { clock } = it;
  const used = createUsedCodes(clock);
  const codes = createCodes(clock, used);
  const given: string[] = [];
  const call = (async (name: string, input: { readonly DurationSeconds?: number; readonly TokenCode?: string }) => {
    expect(name).toBe("GetSessionToken");
    given.push(input.TokenCode ?? "none");
    const expiresAt = clock.truth + (input.DurationSeconds ?? 0) * SECOND;
    const output = { accessKeyId: "ASIADEVICE", secretAccessKey: "s", sessionToken: "t", expiresAt };
    return Promise.resolve({ output, clockSkew: 0, clock: "aws" });
  }) as unknown as DevicesOptions["call"];
  const devices = createDevices({ clock, codes, used, call, command: [], base: {}, socketPath: "/s", user: () => "u" });
  const credentials = new Credentials({ accessKeyId: "AKIAJANE", secretAccessKey: "s" });
  it.source.resolve = (request) => {
    const use = { request, signal: request.signal, serial: SERIAL, credentials, target, bound: undefined };
    return devices.withSession({ ...use, duration: DEVICE_SESSION, role: undefined, isOnce: false, explain }, () =>
      Promise.resolve(),
    );
  };
  /** As a client at a terminal does, whose person has a new code each time. */
  const vend = async (name: string) => {
    try {
      return await it.vend(name);
    } catch (error) {
      expect(error).toMatchObject({ kind: "code-wanted" });
      const [wanted] = codes.pending();
      expect(await codes.answer(wanted!.id, String(100_000 + given.length))).toBeUndefined();
      return it.vend(name);
    }
  };
  return { ...it, codes, given, vendAsking: vend };
}

test("8 h of five roles of one device: one question; then the last credentials are served to their end", async () => {
  const it = newDeviceWorld();
  for (const name of ROLES) it.configs.write(name, roleConfig(name));
  for (const name of ROLES) it.sessions.restore(name, {});
  for (let elapsed = 0; elapsed < 8 * HOUR; elapsed += 10 * SECOND) {
    for (const name of ROLES) expect(it.left(await it.vendAsking(name))).toBeGreaterThanOrEqual(16 * MINUTE);
    await it.clock.advance(10 * SECOND);
  }
  expect(it.given).toEqual(["100000"]);
  // The person has gone home. What renews in the background waits for nobody, and asks nobody twice.
  const { truth } = it.clock;
  let last = truth;
  for (let isServed = true; isServed;) {
    await it.clock.advance(MINUTE);
    isServed = await it.vend("a").then(
      (issue) => it.left(issue) >= MINUTE,
      () => false,
    );
    if (isServed) last = it.clock.truth;
  }
  expect(last - truth).toBeGreaterThan(4 * HOUR);
  expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "code-wanted" });
  expect(it.codes.pending()).toHaveLength(1);
  expect(it.given).toHaveLength(1);
  expect(it.left(await it.vendAsking("a"))).toBeGreaterThan(16 * MINUTE);
  expect(it.given).toEqual(["100000", "100001"]);
});
