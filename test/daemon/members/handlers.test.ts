import { beforeEach, describe, expect, test } from "bun:test";
import { createRequestAudit } from "../../../src/daemon/audit/requests.ts";
import { createSharedHandlers } from "../../../src/daemon/members/handlers.ts";
import type { AuditEvent } from "../../../src/audit/line.ts";
import type { Caller, Handlers } from "../../../src/server/dispatch.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { type MessageName, messages } from "../../../src/wire/messages.ts";
import { roleConfig } from "../fakes/configs.ts";
import { errorOf, newWorld, type World } from "../fakes/world.ts";

const AGENT: Caller = { uid: 1001, gid: 1001, groups: [990], pid: 7, connection: 1 };
const STRANGER: Caller = { ...AGENT, uid: 1002 };
const SELF = { version: "1", pid: 9 };

let world: World;
let events: AuditEvent[];
let handlers: Handlers;

beforeEach(() => {
  world = newWorld();
  events = [];
  handlers = createSharedHandlers({
    sessions: world.sessions,
    configs: world.configs,
    directory: undefined,
    decision: () => ({ allows: ({ uid }, config) => uid === AGENT.uid && config !== "secret", unknown: [] }),
    environment: { HOME: "/home/operator" },
    log: (level, event, fields) =>
      void world.log.push({ level, event, fields: (typeof fields === "function" ? fields() : fields) ?? {} }),
    audit: createRequestAudit((event) => void events.push(event), world.clock, "shared"),
    self: SELF,
  });
});

const vend = async (config: string, caller = AGENT) => handlers.Vend({ config }, caller);
const lineOf = (answer: unknown) => new TextDecoder().decode(answer as Uint8Array);

test("Hello says who answers", () => {
  expect(handlers.Hello({ version: "1" }, STRANGER)).toEqual(SELF);
});

describe("every other message is forbidden, whoever sends it", () => {
  const others = (Object.keys(messages) as MessageName[]).filter((name) => name !== "Hello" && name !== "Vend");
  test.each(others)("%s", (name) => {
    const call = () => (handlers[name] as (body: unknown, caller: Caller) => unknown)({}, AGENT);
    expect(call).toThrow(expect.objectContaining({ kind: "forbidden" }));
  });
  test("and there are some", () => expect(others.length).toBeGreaterThan(5));
});

test("a member vends what the policy names, from a session of the daemon's own, made once", async () => {
  world.configs.write("dev", roleConfig("dev"));
  const answers = await Promise.all([vend("dev"), vend("dev")]);
  expect(world.sessions.counters.assumes).toBe(1);
  expect(lineOf(answers[0])).toContain('"Version":1');
  expect(world.sessions.environmentOf("dev")).toEqual({ HOME: "/home/operator" });
  expect(await vend("dev")).toBeInstanceOf(Uint8Array);
  expect(events[0]).toMatchObject({ kind: "vend", transport: "shared", outcome: "ok", peer: { uid: 1001, pid: 7 } });
});

test("a session that its owner added is vended as it is", async () => {
  world.configs.write("dev", roleConfig("dev"));
  await world.sessions.add("dev", { AWS_PROFILE: "owner" }, { verify: false, renew: false });
  await vend("dev");
  expect(world.sessions.environmentOf("dev")).toEqual({ AWS_PROFILE: "owner" });
});

test("what a profile has and no grant may hand on, no member gets, and the log says why", async () => {
  world.configs.write("keys", { Session: { profile_name: "me" } });
  world.source.ungrantable = "are long-lived keys";
  const refused = { kind: "internal", message: "the daemon cannot give these credentials" };
  // Of a session that is made for the member, of one that is asked for the first time, and warm.
  for (let attempt = 0; attempt < 3; attempt += 1)
    expect(await errorOf(vend("keys"))).toMatchObject({ ...refused, hint: "ask the operator of the shared daemon" });
  expect(world.log.at(-1)).toMatchObject({
    level: "warn",
    event: "not vended to a member",
    fields: { kind: "invalid-grant", error: expect.stringContaining("are long-lived keys: no member gets them") },
  });
  expect(events).toMatchObject([{ kind: "vend", transport: "shared", outcome: "invalid-grant" }]);
});

/** Of a refusal, without the name that was asked for. */
const wordsOf = async (config: string, caller?: Caller) => {
  const { kind, message, hint } = (await errorOf(vend(config, caller))) as KeyholeError;
  return { kind, message: message.replaceAll(config, "NAME"), hint };
};

test("what is not listed, what is another's and what does not exist are refused in the same words", async () => {
  world.configs.write("secret", roleConfig("secret"));
  const refusal = await wordsOf("secret");
  expect(refusal).toEqual({
    kind: "forbidden",
    message: "no config NAME is shared with you",
    hint: "ask the operator of the shared daemon",
  });
  // Listed, and there is no such file.
  expect(await wordsOf("gone")).toEqual(refusal);
  expect(await wordsOf("dev", STRANGER)).toEqual(refusal);
  expect(await wordsOf("../x", STRANGER)).toEqual(refusal);
  expect(world.sessions.counters.assumes).toBe(0);
  expect(events.map(({ outcome }) => outcome)).toContain("forbidden");
});

test("a policy that no longer names a member ends what it gets, whatever session there is", async () => {
  world.configs.write("dev", roleConfig("dev"));
  let isAllowed = true;
  const changing = createSharedHandlers({
    sessions: world.sessions,
    configs: world.configs,
    directory: undefined,
    decision: () => ({ allows: () => isAllowed, unknown: [] }),
    environment: {},
    log: () => {},
    audit: createRequestAudit(() => {}, world.clock, "shared"),
    self: SELF,
  });
  await changing.Vend({ config: "dev" }, AGENT);
  isAllowed = false;
  expect((await errorOf((async () => changing.Vend({ config: "dev" }, AGENT))())).kind).toBe("forbidden");
});

test.each([
  ["aws-refused", "AWS refused to give these credentials"],
  ["network", "AWS cannot be reached"],
  ["invalid-config", "the daemon cannot give these credentials"],
] as const)("of %s a member learns no more than that, and the log has the rest", async (kind, message) => {
  world.configs.write("dev", roleConfig("dev"));
  const secret = "arn:aws:iam::111122223333:role/secret in /home/operator";
  world.source.failure = new KeyholeError(kind, secret);
  const error = (await errorOf(vend("dev"))) as KeyholeError;
  expect([error.message, String(error.hint)].join(" ")).not.toContain("arn:");
  expect(error.message).toBe(message);
  expect(world.log.find(({ event }) => event === "not vended to a member")?.fields).toMatchObject({
    kind,
    error: secret,
    uid: 1001,
  });
});
