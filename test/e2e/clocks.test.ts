// An STS whose clock is wrong, such as a test server in a container that slept, beside one whose clock is right.
import { expect, test } from "bun:test";
import { startSts } from "../sts/server.ts";
import { createMachine } from "./machine.ts";

test.each([2, -2])("an STS that is %d h off moves nobody else's credentials", async (hours) => {
  await using machine = await createMachine();
  const wrong = startSts();
  try {
    wrong.clockOffset = hours * 3_600_000;
    const keys = [`aws_access_key_id=${wrong.root.accessKeyId}`, `aws_secret_access_key=${wrong.root.secretAccessKey}`];
    await machine.addConfig("production");
    await machine.addConfig("local", `STS.endpoint_url=${wrong.url}`, ...keys.map((key) => `Session.${key}`));
    await machine.addConfig("later");
    await machine.keyhole("daemon start");
    const before = await machine.keyhole("export -n production");
    await machine.keyhole("export -n local");
    // Whoever would take them for expired now would have to ask, and get no answer.
    await machine.sts.suspend();
    expect(await machine.keyhole("export -n production")).toBe(before);
    machine.sts.resume();
    const calls = machine.sts.count();
    await machine.keyhole("export -n later");
    expect(machine.sts.calls.slice(calls).map(({ outcome }) => outcome)).toEqual(["ok"]);
    await machine.keyhole("export -n local");
    expect(wrong.calls.map(({ outcome }) => outcome)).toEqual(["SignatureDoesNotMatch", "ok"]);
    const { clockSkewMs } = JSON.parse(await machine.keyhole("daemon status --json")) as { clockSkewMs: number };
    expect(Math.abs(clockSkewMs)).toBeLessThan(60_000);
  } finally {
    await wrong.stop();
  }
});

test("an STS that claims another century makes no grant that lives until then", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  machine.sts.clockOffset = Date.UTC(2100, 0, 1) - Date.now();
  await machine.keyhole("grant add poison --config dev --ttl 1h --no-executable");
  const ends = async () =>
    (JSON.parse(await machine.keyhole("grant list --json")) as { endsAt: string }[]).map(({ endsAt }) =>
      Math.round((Date.parse(endsAt) - Date.now()) / 60_000),
    );
  expect(await ends()).toEqual([60]);
  machine.sts.clockOffset = 0;
  await machine.keyhole("daemon restart");
  expect(await ends()).toEqual([60]);
});
