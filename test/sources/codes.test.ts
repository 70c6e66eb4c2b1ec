import { beforeEach, describe, expect, test } from "bun:test";
import { KeyholeError } from "../../src/errors.ts";
import { CodeRefused, type Codes, createCodes, createUsedCodes, type WantedCode } from "../../src/sources/codes.ts";
import { FakeClock } from "../daemon/fakes/clock.ts";
import { rejectionOf } from "../thrown.ts";

let clock: FakeClock;
let codes: Codes;
let tried: string[];

beforeEach(() => {
  clock = new FakeClock();
  codes = createCodes(clock, createUsedCodes(clock));
  tried = [];
});

function want(change: Partial<WantedCode> = {}): number {
  const wanted: WantedCode = {
    key: "k",
    config: "dev",
    serial: "arn:mfa",
    keyId: "AKIA",
    use: async (code) => {
      tried.push(code);
      if (code !== "111111") throw new CodeRefused("person-needed", "AccessDenied: MultiFactorAuthentication failed.");
      codes.given(change.key ?? "k");
    },
    ...change,
  };
  const { kind, hint } = codes.want(wanted);
  expect(kind).toBe("code-wanted");
  return Number(hint!.replace("keyhole answer ", ""));
}

describe("a wanted code", () => {
  test("is one for all that wait with the same key", () => {
    const id = want();
    expect(want({ config: "other" })).toBe(id);
    expect(want({ key: "another" })).not.toBe(id);
    const first = { id, config: "dev", serial: "arn:mfa", keyId: "AKIA", wantedAt: clock.wall(), isAsked: false };
    expect(codes.pending()).toEqual([first, expect.objectContaining({ id: id + 1 })]);
  });

  test("is forgotten when nobody answers for 10 minutes, and of many the oldest", async () => {
    const id = want();
    await clock.advance(600_000);
    expect(codes.pending()).toEqual([]);
    expect(await rejectionOf(codes.answer(id, "111111"))).toMatchObject({ kind: "usage", hint: "keyhole pending" });
    for (let key = 0; key < 100; key += 1) want({ key: `${key}` });
    expect(codes.pending()).toHaveLength(64);
  });
});

describe("an answer", () => {
  test("is used, and ends the waiting", async () => {
    const id = want();
    expect(await codes.answer(id, "111111")).toBeUndefined();
    expect(codes.pending()).toEqual([]);
    expect(tried).toEqual(["111111"]);
  });

  test("that is wrong says so, and is not sent again within 30 s", async () => {
    const id = want();
    expect(await codes.answer(id, "12345")).toBe("a code has six digits");
    expect(await codes.answer(id, "222222")).toContain("MultiFactorAuthentication failed. A code counts once");
    expect(await codes.answer(id, "222222")).toContain("used already");
    expect(tried).toEqual(["222222"]);
    await clock.advance(30_000);
    await codes.answer(id, "222222");
    expect(tried).toEqual(["222222", "222222"]);
  });

  test("that cannot be sent leaves the code wanted", async () => {
    const id = want({ use: () => Promise.reject(new KeyholeError("network", "no answer")) });
    expect(await rejectionOf(codes.answer(id, "111111"))).toMatchObject({ kind: "network" });
    expect(codes.pending()).toHaveLength(1);
  });
});

describe("a turn", () => {
  test("is one client's, while the others wait for its answer", async () => {
    const id = want();
    expect(await codes.turn(id, 1, true)).toMatchObject({ state: "ask", code: { id } });
    const other = codes.turn(id, 2, true);
    const unable = codes.turn(id, 3, false);
    await codes.answer(id, "111111");
    expect(await other).toEqual({ state: "done" });
    expect(await unable).toEqual({ state: "done" });
  });

  test("is asked for again after 10 s", async () => {
    const id = want();
    await codes.turn(id, 1, true);
    const other = codes.turn(id, 2, true);
    await clock.advance(10_000);
    expect(await other).toEqual({ state: "wait" });
  });

  test("goes on to who waits when its client has gone, or does not answer for 2 minutes", async () => {
    const id = want();
    await codes.turn(id, 1, true);
    const other = codes.turn(id, 2, true);
    codes.left(1);
    expect(await other).toMatchObject({ state: "ask" });
    await clock.advance(120_000);
    expect(await codes.turn(id, 3, true)).toMatchObject({ state: "ask" });
  });

  test("is nobody's who cannot ask: an error with the command", async () => {
    const id = want();
    const refused = await rejectionOf(codes.turn(id, 1, false));
    expect(refused).toMatchObject({ kind: "code-wanted", hint: `keyhole answer ${id}`, exitStatus: 5 });
    await codes.turn(id, 1, true);
    const unable = rejectionOf(codes.turn(id, 2, false));
    codes.left(1);
    expect(await unable).toMatchObject({ kind: "code-wanted" });
  });
});
