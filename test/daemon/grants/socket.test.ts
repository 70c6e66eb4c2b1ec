import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { createRefusals, kindOnSocket } from "../../../src/daemon/grants/socket.ts";
import { type ErrorName, errors, KeyholeError } from "../../../src/errors.ts";
import { decode, encode } from "../../../src/wire/codec.ts";
import { BODY_START, encodeFrame } from "../../../src/wire/frame.ts";
import { errorReply, messages } from "../../../src/wire/messages.ts";
import { until } from "../../processes.ts";
import { caller, connectTo, fetchFrame, fetchFrom, grantRequest, newGrantWorld } from "../fakes/grants.ts";
import { errorOf } from "../fakes/world.ts";

const FETCH = messages.Fetch.number;

/** What elhaz's holders and keyhole's own control socket might be asked for. */
const requests: readonly (readonly [string, Uint8Array])[] = [
  ["Vend of another config", encodeFrame(0x02, encode(messages.Vend.request, { config: "prod" }))],
  [
    "Add",
    encodeFrame(0x03, encode(messages.Add.request, { config: "prod", environment: [], verify: true, renew: true })),
  ],
  ["GrantRevoke of itself", encodeFrame(0x0b, encode(messages.GrantRevoke.request, { name: "agent" }))],
  ["GrantAnswer", encodeFrame(0x0e, encode(messages.GrantAnswer.request, { id: 1, allow: true }))],
  ["Fetch with the name of a config", encodeFrame(FETCH, encode(messages.Vend.request, { config: "prod" }))],
  ["Fetch with one byte", encodeFrame(FETCH, new Uint8Array(1))],
  ["Fetch with 4 KiB", encodeFrame(FETCH, new Uint8Array(4096))],
  ["Fetch of version 0", encodeFrame(FETCH, new Uint8Array(0), 0)],
  ["Fetch of version 2", encodeFrame(FETCH, new Uint8Array(0), 2)],
  ["an error reply", encodeFrame(0xff, new Uint8Array(0))],
  ...Array.from({ length: 0x28 }, (_, number) => number)
    .filter((number) => number !== FETCH)
    .map((number) => [`message ${number} without a body`, encodeFrame(number, new Uint8Array(0))] as const),
];

test("whatever is no Fetch gets the same bytes, has no effect, and the connection lives", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  const holder = await connectTo(directory);
  const replies = new Map<string, string>();
  for (const [what, bytes] of requests) replies.set(what, Buffer.from((await holder.ask(bytes)).bytes).toString("hex"));
  expect(new Set(replies.values()).size).toBe(1);
  expect((await holder.ask()).accessKeyId).toBe("ASIA-dev-1");
  expect(world.source.count).toBe(1);
  expect(grants.list()[0]).toMatchObject({ state: "active", refusals: requests.length, uses: 1 });
});

test.each([
  ["a length that is too short", new Uint8Array([0, 0, 0, 1])],
  ["a length over 4 KiB", new Uint8Array([0, 0, 0x10, 0x03])],
  ["a length of 4 GiB", new Uint8Array([255, 255, 255, 255])],
])("%s gets the same bytes, behind what stood before it, and ends the connection", async (_, bytes) => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin();
  const forbidden = (await (await connectTo(directory)).ask(encodeFrame(1, new Uint8Array(0)))).bytes;
  const holder = await connectTo(directory);
  expect((await holder.ask(Buffer.concat([fetchFrame, bytes]))).accessKeyId).toBe("ASIA-dev-1");
  expect((await holder.next()).bytes).toEqual(forbidden);
  await holder.closed;
});

test("a user that the grant does not name gets the same bytes as junk does", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin({ allowUids: [1000], allowGids: [50] });
  const forbidden = (await (await connectTo(directory)).ask(encodeFrame(1, new Uint8Array(0)))).bytes;
  expect((await fetchFrom(directory)).accessKeyId).toBe("ASIA-dev-1");
  Object.assign(world.peer, { uid: 4711, gid: 50 });
  expect((await fetchFrom(directory)).accessKeyId).toBe("ASIA-dev-1");
  Object.assign(world.peer, { uid: 4711, gid: 4711 });
  expect((await fetchFrom(directory)).bytes).toEqual(forbidden);
  // Also when the grant has ended: who may not ask is told nothing.
  grants.revoke("agent", caller);
  expect((await fetchFrom(directory)).bytes).toEqual(forbidden);
  expect(world.eventsOf("vend").at(-1)).toMatchObject({ outcome: "forbidden", peer: { uid: 4711, gid: 4711 } });
});

test("an answer leaves when its line is written, and where the grant is revoked before that, never", async () => {
  await using world = await newGrantWorld();
  const lines: PromiseWithResolvers<void>[] = [];
  const recordSoon = () => {
    lines.push(Promise.withResolvers());
    return lines.at(-1)!.promise;
  };
  const grants = await world.start({ recordSoon });
  const { directory } = await grants.add(grantRequest(), caller);
  const holder = await connectTo(directory);
  let isAnswered = false;
  const first = holder.ask().finally(() => (isAnswered = true));
  await until(() => lines.length === 1);
  for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
  expect(isAnswered).toBe(false);
  lines[0]!.resolve();
  expect((await first).accessKeyId).toBe("ASIA-dev-1");

  const second = errorOf(holder.ask());
  await until(() => lines.length === 2);
  grants.revoke("agent", caller);
  lines[1]!.resolve();
  expect((await second).message).toBe("the connection was closed");
  expect((await fetchFrom(directory)).error).toContain("revoked");
});

test("all that wait for one write get an answer of their own issue", async () => {
  await using world = await newGrantWorld();
  let count = 0;
  const written = Promise.withResolvers<void>();
  const recordSoon = () => {
    count += 1;
    return written.promise;
  };
  const grants = await world.start({ recordSoon });
  const { directory } = await grants.add(grantRequest(), caller);
  const holders = await Promise.all([1, 2, 3].map(() => connectTo(directory)));
  const early = holders.slice(0, 2).map((holder) => holder.ask());
  await until(() => count === 2);
  await world.clock.advance(55 * 60_000);
  await until(() => world.source.count === 2);
  const late = holders[2]!.ask();
  await until(() => count === 3);
  written.resolve();
  const ids = (await Promise.all([...early, late])).map(({ accessKeyId }) => accessKeyId);
  expect(ids).toEqual(["ASIA-dev-1", "ASIA-dev-1", "ASIA-dev-2"]);
});

test("10,000 random requests: the source sees the configured parameters and nothing else", async () => {
  await using world = await newGrantWorld();
  const { grants, directory, sessionName } = await world.begin();
  const before = grants.list()[0]!;
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }).map((body) => ({ number: FETCH, body, version: 1 })),
    fc.record({ number: fc.nat(255), body: fc.uint8Array({ maxLength: 64 }), version: fc.nat(255) }),
    fc.string({ maxLength: 20 }).map((config) => ({
      number: FETCH,
      body: encode(messages.Vend.request, { config }),
      version: 1,
    })),
  );
  const holder = await connectTo(directory);
  let left = 0;
  for (const { number, body, version } of fc.sample(bytes, { numRuns: 10_000, seed: 4 })) {
    const { grant, error } = await holder.ask(encodeFrame(number, body, version));
    if (grant === undefined) expect(error).toStartWith("this socket gives");
    else left += 1;
  }
  expect(left).toBeLessThan(1_000);
  await world.clock.advance(45 * 60_000);
  await holder.ask();
  await world.clock.advance(1);
  await until(() => world.source.count === 2);
  for (const { config, environment, name } of world.source.calls) {
    expect(name).toBe("dev");
    expect(environment).toEqual({ AWS_PROFILE: "work" });
    expect(config).toEqual({
      AssumeRole: { RoleArn: "arn:aws:iam::111122223333:role/dev", RoleSessionName: sessionName },
    });
  }
  const { uses: _, refusals: __, ...after } = grants.list()[0]!;
  expect(after).toMatchObject({ name: before.name, state: before.state, directory: before.directory });
});

test.each([
  ["aws-refused", "AccessDenied: arn:aws:iam::111122223333:role/dev at /home/ann/.aws", "AWS refused"],
  ["person-needed", "ExpiredToken for profile work", "a person has to renew"],
  ["no-source-credentials", "no source credentials found for config dev", "no longer have a source"],
  ["network", "cannot reach 10.1.2.3", "AWS cannot be reached"],
  ["timeout", "MFA.command did not end within 30 s", "no answer came in time"],
  ["throttled", "Throttling: rate exceeded", "asked too often"],
  ["unsafe-path", "/home/ann/.keyhole/configs/dev.yaml can be written by others", "cannot give"],
  ["internal", "the process that asks STS ended 3 times", "cannot give"],
] as const)("%s is a fixed text on the socket; its own words are for the owner", async (kind, words, told) => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  await world.clock.advance(4 * 3_600_000);
  world.source.failure = new KeyholeError(kind, words, "keyhole config update -n dev");
  const { error, hint, bytes } = await fetchFrom(directory);
  expect(error).toContain(told);
  expect(hint).toBe(
    kind === "throttled" ? "try again in a few seconds" : "ask the owner of this grant: keyhole grant show agent",
  );
  expect(Buffer.from(bytes).toString("latin1")).not.toMatch(/arn:|\/home|dev|work|10\.1/);
  expect(grants.list()[0]).toMatchObject({ lastError: words, refusals: 1 });
  expect(world.eventsOf("vend").at(-1)).toMatchObject({ grant: "agent", outcome: kind });
});

test("over the rate requests wait, in order; too many of them are refused", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin({ rate: { count: 2, milliseconds: 1000 } });
  const holders = await Promise.all(Array.from({ length: 20 }, () => connectTo(directory)));
  const answers = holders.map((holder) => holder.ask());
  const given: (string | undefined)[] = [];
  for (const answer of answers) void answer.then(({ accessKeyId }) => given.push(accessKeyId));
  // Two at once, ten in the five seconds that a request waits; the others are told.
  await until(() => given.length === 10);
  expect(given.filter((key) => key !== undefined)).toHaveLength(2);
  await world.clock.advance(5_000);
  const outcomes = await Promise.all(answers);
  expect(outcomes.filter(({ accessKeyId }) => accessKeyId !== undefined)).toHaveLength(12);
  expect(outcomes.filter(({ error }) => error?.includes("too often"))).toHaveLength(8);
});

test("requests that wait for their turn get nothing any more when the grant is revoked", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin({ rate: { count: 1, milliseconds: 4000 } });
  await fetchFrom(directory);
  const holder = await connectTo(directory);
  const { armed } = world.clock;
  const answer = errorOf(holder.ask());
  await until(() => world.clock.armed > armed);
  grants.revoke("agent", caller);
  await world.clock.advance(10_000);
  expect((await answer).message).toBe("the connection was closed");
  expect(world.eventsOf("vend").filter(({ outcome }) => outcome === "ok")).toHaveLength(1);
});

test("junk is counted, not written down one by one; every vend is a line", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  const holder = await connectTo(directory);
  for (let count = 0; count < 1000; count++) await holder.ask(encodeFrame(count % 15, new Uint8Array(0)));
  for (let count = 0; count < 3; count++) await holder.ask();
  await world.clock.advance(1000);
  expect(world.eventsOf("junk").map(({ count, grant, transport }) => [count, grant, transport])).toEqual([
    [undefined, "agent", "socket"],
    [999, "agent", "socket"],
  ]);
  const vends = world.eventsOf("vend");
  expect(vends).toHaveLength(3);
  expect(vends[0]).toEqual({
    kind: "vend",
    transport: "socket",
    outcome: "ok",
    grant: "agent",
    config: "dev",
    roleArn: "arn:aws:iam::111122223333:role/dev",
    sessionName: grants.list()[0]!.sessionName,
    accessKeyId: "ASIA-dev-1",
    expiresAt: expect.any(Number),
    peer: { uid: 1000, gid: 1000, pid: 77 },
  });
});

test("refusals of one kind are counted as well: a revoked grant that is asked in a loop does not fill the audit", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  grants.revoke("agent", caller);
  const holder = await connectTo(directory);
  for (let count = 0; count < 500; count++) await holder.ask();
  await world.clock.advance(1000);
  expect(world.eventsOf("vend").map(({ outcome, count }) => [outcome, count])).toEqual([
    ["revoked", undefined],
    ["revoked", 499],
  ]);
});

test("no line of audit and log holds a secret", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const { directory } = await grants.add(
    grantRequest({ environment: [{ name: "AWS_SECRET_ACCESS_KEY", value: "CANARY" }] }),
    caller,
  );
  await fetchFrom(directory);
  grants.revoke("agent", caller);
  expect(JSON.stringify([world.events, world.log, grants.list()])).not.toMatch(/CANARY|secret"|token"/);
});

test.each([
  ["", ', which runs "…'],
  ["in a sandbox: ", ', which runs in a sandbox: "…'],
])("no name of a program reads as a question about another grant (%s)", async (sandbox, program) => {
  await using world = await newGrantWorld();
  const executable = `${sandbox}${"/long".repeat(1000)}/x"? Give the credentials of grant other to uid 0, pid 1?\n\u202e`;
  const identify = () => ({ ...world.peer, witness: { executable, parent: () => undefined, hasEnded: () => false } });
  const grants = await world.start({ identify });
  const { directory } = await grants.add(grantRequest({ confirm: true }), caller);
  const answer = fetchFrom(directory);
  const { question } = await grants.question();
  expect(question!.text).toStartWith(`give the credentials of grant agent to uid 1000, pid 77${program}`);
  expect(question!.text).toContain(String.raw`x\"? Give`);
  expect(question!.text.length).toBeLessThan(200);
  expect(question!.text).not.toMatch(/[\n\u202e]/);
  grants.answer(question!.id, false, caller);
  expect((await answer).error).toBe("a person was asked and did not allow it");
});

const kinds = Object.keys(errors) as ErrorName[];

test.each(kinds)("%s has one short text, in the voice of all errors, with a hint", (kind) => {
  const reply = decode(errorReply, createRefusals("agent")(kind), BODY_START);
  expect(reply.message).toMatch(/^[a-z].{5,100}[^.]$|^AWS .{5,100}[^.]$/);
  expect(reply.hint).toMatch(/^ask the owner of this grant: keyhole grant show agent$|^try again in a few seconds$/);
  expect(reply.number).toBe(errors[kindOnSocket(kind)].number);
});

test("a refusal is made once for each kind", () => {
  const refusals = createRefusals("agent");
  for (const kind of kinds) expect(refusals(kind)).toBe(refusals(kind));
});

test("what a holder has no use for is all the same to it", () => {
  const refusals = createRefusals("agent");
  const inner = ["unsafe-path", "no-such-session", "no-such-grant", "invalid-grant", "bad-request", "usage"] as const;
  for (const kind of inner) expect(refusals(kind)).toBe(refusals("internal"));
});
