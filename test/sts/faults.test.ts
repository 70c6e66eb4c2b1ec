import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { createFaults, type Fault } from "./faults.ts";
import { assume, outcomeOf, ROLE_ARN, whoami } from "./sdk.ts";
import { startSts } from "./server.ts";
import { send } from "./signed.ts";

const sts = startSts();
afterAll(() => sts.stop());
beforeEach(() => sts.reset());

describe("a fault", () => {
  const call = { action: "AssumeRole", roleArn: "role", accessKeyId: "key" };

  test.each([
    [{}, true],
    [{ action: "AssumeRole" }, true],
    [{ action: "GetCallerIdentity" }, false],
    [{ roleArn: "role" }, true],
    [{ roleArn: "other" }, false],
    [{ accessKeyId: "key" }, true],
    [{ action: "AssumeRole", accessKeyId: "other" }, false],
  ])("for %j hits the call: %p", (match, expected) => {
    const faults = createFaults();
    faults.add({ ...match, hang: true });
    expect(faults.take(call).hang === true).toBe(expected);
  });

  test("is used up by the calls it fits, and by no other", () => {
    const faults = createFaults();
    faults.add({ action: "AssumeRole", times: 2, hang: true });
    const taken = ["GetCallerIdentity", "AssumeRole", "AssumeRole", "AssumeRole"].map((action) =>
      faults.take({ ...call, action }),
    );
    expect(taken.map(({ hang }) => hang === true)).toEqual([false, true, true, false]);
  });

  test("combines with others, and the earlier one wins", () => {
    const faults = createFaults();
    faults.add({ delay: 5 });
    faults.add({ delay: 7, fail: "Throttling" });
    expect(faults.take(call)).toMatchObject({ delay: 5, fail: "Throttling" });
  });
});

describe("a call", () => {
  const canary = "canary-4711";
  const failures: [fault: Fault, code: string, status: number, message: string][] = [
    [{ fail: "Throttling" }, "Throttling", 400, "Rate exceeded"],
    [{ fail: "SlowDown" }, "SlowDown", 503, "Please reduce your request rate."],
    [{ fail: { code: "AccessDenied", message: canary, status: 403 } }, "AccessDenied", 403, canary],
    [{ fail: { code: "InternalFailure", message: canary, status: 500 } }, "InternalFailure", 500, canary],
  ];
  test.each(failures)("fails as %j says", async (fault, code, status, message) => {
    sts.faults.add({ ...fault, times: 1 });
    const outcome = await outcomeOf(assume(sts));
    expect(outcome).toMatchObject({ code, status });
    expect(outcome.message).toContain(message);
    expect(await outcomeOf(assume(sts))).toMatchObject({ code: "ok" });
    expect(sts.calls.map((call) => call.outcome)).toEqual([code, "ok"]);
  });

  test("is told by the XML whose fault it was", async () => {
    sts.faults.add({ fail: "Throttling", times: 1 });
    expect((await send(sts, Date.now())).text).toContain("<Type>Sender</Type>");
    sts.faults.add({ fail: "SlowDown", times: 1 });
    expect((await send(sts, Date.now())).text).toContain("<Type>Receiver</Type>");
  });

  test("is cut off before its answer, and issues nothing", async () => {
    sts.faults.add({ cut: "before" });
    expect(await outcomeOf(send(sts, Date.now()))).not.toMatchObject({ code: "ok" });
    expect(sts.calls.at(-1)).toMatchObject({ outcome: "cut", accessKeyId: sts.root.accessKeyId });
    expect(sts.calls.at(-1)?.issuedKeyId).toBeUndefined();
  });

  test("is cut off in the middle of its answer, when the key is issued", async () => {
    sts.faults.add({ cut: "midway" });
    expect(await outcomeOf(assume(sts))).toMatchObject({ status: 200, message: expect.stringContaining("aborted") });
    expect(sts.calls.at(-1)).toMatchObject({ outcome: "cut", issuedKeyId: expect.stringContaining("ASIA") });
  });

  test.each([
    ["text", "this is not XML"],
    ["html", "<!doctype html>"],
    ["wrong-shape", "<Nothing/>"],
    ["empty", ""],
  ] as const)("gets garbage of the kind %s with status 200", async (garbage, start) => {
    sts.faults.add({ garbage });
    const answer = await send(sts, Date.now());
    expect(answer.status).toBe(200);
    expect(answer.text).toContain(start);
    expect(answer.text).not.toContain("GetCallerIdentityResult");
    expect(sts.calls.at(-1)?.outcome).toBe("garbage");
  });

  test("gets credentials without Expiration", async () => {
    sts.faults.add({ omitExpiration: true });
    const body = `Action=AssumeRole&Version=2011-06-15&RoleArn=${ROLE_ARN}&RoleSessionName=session`;
    const { text } = await send(sts, Date.now(), { body });
    expect(text).toContain("<SessionToken>");
    expect(text).not.toContain("Expiration");
  });

  test("waits as long as it is told", async () => {
    sts.faults.add({ delay: 30, times: 1 });
    const start = performance.now();
    await assume(sts);
    expect(performance.now() - start).toBeGreaterThanOrEqual(29);
  });

  test("hangs until the faults are cleared, and delays nobody else", async () => {
    sts.faults.add({ action: "AssumeRole", hang: true });
    const hanging = assume(sts);
    await sts.until(() => sts.count("AssumeRole", { outcome: "pending" }) === 1);
    await whoami(sts);
    expect(sts.count("AssumeRole", { outcome: "pending" })).toBe(1);
    sts.faults.clear();
    expect((await hanging).accessKeyId).toStartWith("ASIA");
    expect(sts.peak).toBe(2);
  });

  test("that hangs is written down as aborted when its client goes away", async () => {
    sts.faults.add({ hang: true });
    const controller = new AbortController();
    const call = outcomeOf(fetch(sts.url, { method: "POST", body: "Action=AssumeRole", signal: controller.signal }));
    await sts.until(() => sts.count("AssumeRole") === 1);
    controller.abort();
    expect(await call).toMatchObject({ code: "AbortError" });
    await sts.until(() => sts.count("AssumeRole", { outcome: "aborted" }) === 1);
  });
});
