import { afterEach, describe, expect, test } from "bun:test";
import { rejectionOf } from "../../thrown.ts";
import type { Config } from "../../../src/config/config.ts";
import { isErrorOf, KeyholeError, keyholeErrorOf } from "../../../src/errors.ts";
import type { Issue } from "../../../src/daemon/sessions/issue.ts";
import { settle } from "../fakes/clock.ts";
import { roleConfig } from "../fakes/configs.ts";
import { failureOf } from "../fakes/source.ts";
import { errorOf, newWorld, watch, type World } from "../fakes/world.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const worlds: World[] = [];

/** Every world leaves no timer behind. */
function world(options?: Parameters<typeof newWorld>[0]): World {
  const created = newWorld(options);
  worlds.push(created);
  return created;
}

afterEach(async () => {
  for (const { sessions, clock } of worlds.splice(0)) {
    sessions.stop();
    await settle();
    expect(clock.armed).toBe(0);
  }
});

/** A world in which these sessions were added. */
async function worldOf(names: readonly string[], options?: Parameters<typeof newWorld>[0]): Promise<World> {
  const it = world(options);
  for (const name of names) await it.add(name);
  return it;
}

/** The issue of a vend that must not wait. */
function vendAtOnce({ sessions }: World, name: string): Issue {
  const given = sessions.vend(name);
  if (given instanceof Promise) throw new Error("the vend waits");
  return given;
}

/** What a client does that polls: it tells its surroundings where it is asked for them. */
async function poll(it: World, owner: string): Promise<KeyholeError | undefined> {
  const ask = (told: object) =>
    it.sessions.add("a", {}, { verify: true, renew: false, keep: true, canTell: true, ...told });
  const surroundings = { variables: { OWNER: owner }, workingDirectory: "/", leftOut: [] };
  try {
    await ask({}).catch((error: unknown) => {
      if (!isErrorOf(error, "surroundings-wanted")) throw error;
      return ask({ surroundings });
    });
    return undefined;
  } catch (error) {
    return keyholeErrorOf(error);
  }
}

function helped(): { readonly it: World; readonly runs: string[] } {
  const it = world();
  it.configs.write("a", roleConfig("a"));
  const runs: string[] = [];
  it.source.resolve = async ({ asksSurroundings, surroundings }) => {
    if (asksSurroundings) throw new KeyholeError("surroundings-wanted", "a helper wants the environment of the client");
    const owner = surroundings?.variables["OWNER"] ?? "none";
    runs.push(owner);
    if (owner !== "good") throw new KeyholeError("no-source-credentials", `MFA.command failed for ${owner}`);
  };
  return { it, runs };
}

describe("vend", () => {
  test("a name that was never added has no session", () => {
    const { sessions, configs } = world();
    configs.write("a", roleConfig("a"));
    expect(() => sessions.vend("a")).toThrow(expect.objectContaining({ kind: "no-such-session" }));
  });

  test("the first asks AWS, the next gets the same issue at once", async () => {
    const it = await worldOf(["a"]);
    expect(it.source.count).toBe(0);
    const issue = await it.vend("a");
    expect(vendAtOnce(it, "a")).toBe(issue);
    expect(it.source.count).toBe(1);
  });

  test("an issue carries the finished line and what AWS said", async () => {
    const it = world();
    it.configs.write("a", { ...roleConfig("role-a"), STS: { region_name: "eu-west-1" } });
    await it.sessions.add("a", { AWS_PROFILE: "dev" }, { verify: false, renew: false });
    const issue = await it.vend("a");
    const line = JSON.parse(new TextDecoder().decode(issue.line)) as Record<string, unknown>;
    expect(line).toMatchObject({ Version: 1, AccessKeyId: "ASIA-a-1", SecretAccessKey: "secret" });
    expect(issue).toMatchObject({
      config: "a",
      region: "eu-west-1",
      arn: "arn:aws:iam::111122223333:role/role-a",
      assumedRoleId: "AROAFAKE:test",
      issuedAt: it.clock.truth,
      expiresAt: it.clock.truth + HOUR,
    });
  });

  test("a thousand callers on a cold session are one AssumeRole, and all get its result", async () => {
    const it = await worldOf(["a"]);
    const issues = await Promise.all(Array.from({ length: 1_000 }, () => it.vend("a")));
    expect(new Set(issues).size).toBe(1);
    expect(it.source.count).toBe(1);
    expect(it.sessions.counters.vends).toBe(1_000);
  });

  test("a thousand callers on a cold session all get its error", async () => {
    const it = await worldOf(["a"]);
    it.source.failure = failureOf("network");
    const results = await Promise.allSettled(Array.from({ length: 1_000 }, () => it.vend("a")));
    expect(results.every((result) => result.status === "rejected" && result.reason === it.source.failure)).toBe(true);
    expect(it.source.count).toBe(1);
    expect(it.sessions.counters.vends).toBe(0);
  });

  test("a session whose call hangs delays no other", async () => {
    const it = await worldOf(["hangs", "works"], { maxFlights: 2 });
    it.source.holds = new Set(["hangs"]);
    const hanging = watch(it.vend("hangs"));
    await it.vend("works");
    vendAtOnce(it, "works");
    expect(hanging.settled).toBe(false);
  });

  test("an endpoint where every call hangs delays no other endpoint", async () => {
    const it = world({ maxFlights: 2 });
    const hanging = ["h1", "h2", "h3"];
    for (const name of hanging) {
      it.configs.write(name, { ...roleConfig(name), STS: { endpoint_url: "http://127.0.0.1:1" } });
      await it.sessions.add(name, {}, { verify: false, renew: false });
    }
    await it.add("works");
    it.source.holds = new Set(hanging);
    const waiting = hanging.map((name) => watch(it.vend(name)));
    await it.vend("works");
    expect(waiting.some(({ settled }) => settled)).toBe(false);
    expect(it.source.peak).toBe(3);
  });

  test("a session whose source credentials come from another session holds no slot while it waits for that", async () => {
    const it = world({ maxFlights: 1 });
    const names = Array.from({ length: 12 }, (_, index) => `c${index}`);
    for (const name of ["d", ...names]) await it.add(name);
    it.source.resolve = async ({ name }) => {
      if (name !== "d") await it.vend("d");
    };
    const issues = await Promise.all(names.map((name) => it.vend(name)));
    expect(issues.map(({ config }) => config)).toEqual(names);
    expect(it.source.calls[0]?.name).toBe("d");
    expect(it.source.count).toBe(13);
    expect(it.source.peak).toBe(1);
  });

  test("who cannot tell surroundings, or has told them, is not refused for those of another who asks", async () => {
    const it = await worldOf(["a"]);
    const turns: (() => void)[] = [];
    it.source.resolve = async ({ asksSurroundings }) => {
      await new Promise<void>((resolve) => void turns.push(resolve));
      if (asksSurroundings)
        throw new KeyholeError("surroundings-wanted", "a helper wants the environment of the client");
    };
    const surroundings = { variables: { X: "1" }, workingDirectory: "/", leftOut: [] };
    const telling = { verify: true, renew: false, keep: true, surroundings, canTell: true } as const;
    const answers = Promise.allSettled([it.sessions.vend("a", true), it.vend("a"), it.sessions.add("a", {}, telling)]);
    for (const turn of [0, 1]) {
      await settle();
      turns[turn]?.();
    }
    const wanted = expect.objectContaining({ kind: "surroundings-wanted" }) as unknown;
    expect(await answers).toMatchObject([
      { status: "rejected", reason: wanted },
      { value: { config: "a" } },
      { value: { config: "a" } },
    ]);
    expect(it.source.calls.map((call) => call.surroundings)).toEqual([surroundings]);
  });

  describe("of a helper that fails", () => {
    test("a client that asks again and again gets no more attempts than the back-off gives", async () => {
      const { it, runs } = helped();
      for (let second = 0; second < 600; second += 1) {
        expect(await poll(it, "one")).toMatchObject({ message: "MFA.command failed for one" });
        await it.clock.advance(SECOND);
      }
      expect(runs.length).toBeWithin(10, 40);
      runs.length = 0;
      for (let second = 0; second < 600; second += 1) {
        await poll(it, second % 2 === 0 ? "one" : "two");
        await it.clock.advance(SECOND);
      }
      expect(runs.length).toBeWithin(5, 40);
    });

    test("another client's own surroundings are tried at once", async () => {
      const { it, runs } = helped();
      await poll(it, "one");
      expect(await poll(it, "two")).toMatchObject({ message: "MFA.command failed for two" });
      expect(await poll(it, "good")).toBeUndefined();
      expect(runs).toEqual(["one", "two", "good"]);
    });

    test("a renewal without surroundings fails for no client that can tell them", async () => {
      const { it, runs } = helped();
      it.sessions.restore("a", {});
      expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "no-such-session" });
      expect(await poll(it, "good")).toBeUndefined();
      expect(runs).toEqual(["none", "good"]);
    });
  });

  test("a renewal that wants a code is tried a few times, and what was given is served to its end", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    let tries = 0;
    it.source.resolve = async () => {
      tries += 1;
      throw new KeyholeError("code-wanted", "config a wants the code of d", "keyhole answer 7");
    };
    for (let minute = 0; minute < 58; minute += 1) {
      await it.clock.advance(60 * SECOND);
      await it.vend("a");
    }
    expect(tries).toBeWithin(1, 200);
    await it.clock.advance(120 * SECOND);
    expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "code-wanted", hint: "keyhole answer 7" });
    it.source.resolve = async () => {};
    // At once: who gave the code does not wait for the end of a pause.
    await it.vend("a");
  });

  test("source credentials that never come are given up after 45 s beside those of a helper", async () => {
    const it = await worldOf(["a"]);
    it.source.resolve = () => Promise.withResolvers().promise;
    const hanging = errorOf(it.vend("a"));
    await it.clock.advance(105 * SECOND);
    expect(await hanging).toMatchObject({ kind: "network" });
    expect(it.source.count).toBe(0);
  });

  test("a turn that comes late is no reason to give up", async () => {
    // Twice as many as are ever under way.
    const names = Array.from({ length: 256 }, (_, index) => `s${index}`);
    const it = await worldOf(names, { maxFlights: 128, maxSessions: names.length });
    it.source.holds = true;
    const vends = names.map((name) => it.vend(name));
    for (let turn = 0; turn < 2; turn += 1) {
      await it.clock.advance(44 * SECOND);
      for (const call of it.source.held.splice(0)) call.release();
    }
    expect(await Promise.all(vends)).toHaveLength(names.length);
  });

  test("a session that is removed while it is queued takes no turn", async () => {
    const it = await worldOf(["a", "b", "c"], { maxFlights: 1 });
    it.source.holds = true;
    const vends = ["a", "c"].map((name) => it.vend(name));
    const removed = errorOf(it.vend("b"));
    await settle();
    it.sessions.remove("b");
    expect(await removed).toMatchObject({ kind: "no-such-session" });
    for (const call of [0, 1]) {
      it.source.held[call]?.release();
      await settle();
    }
    await Promise.all(vends);
    expect(it.source.calls.map(({ name }) => name)).toEqual(["a", "c"]);
  });

  test("a session that is removed in whatever moment of its turn gives the slot back", async () => {
    for (let moment = 0; moment < 30; moment += 1) {
      const it = await worldOf(["a", "b", "c"], { maxFlights: 1 });
      it.source.holds = new Set(["a"]);
      const first = it.vend("a");
      const removed = it.vend("b").catch(() => "removed");
      await settle();
      it.source.held[0]?.release();
      for (let tick = 0; tick < moment; tick += 1) await Promise.resolve();
      it.sessions.remove("b");
      await Promise.all([first, removed]);
      expect((await it.vend("c")).config).toBe("c");
    }
  });

  test("a call that never ends is given up after 45 s, and its slot is free again", async () => {
    // As many as are ever under way.
    const names = Array.from({ length: 128 }, (_, index) => `s${index}`);
    const it = await worldOf([...names, "works"], { maxFlights: 128, maxSessions: 256 });
    it.source.holds = new Set(names);
    const hanging = names.map((name) => errorOf(it.vend(name)));
    const queued = it.vend("works");
    const state = watch(queued);
    await it.clock.advance(44.9 * SECOND);
    expect(state.settled).toBe(false);
    await it.clock.advance(SECOND);
    expect((await Promise.all(hanging)).map(({ kind }) => kind)).toEqual(names.map(() => "network"));
    await queued;
  });

  test("sessions whose calls hang delay one that is asked for later by less than half a second, and the next time by nothing", async () => {
    const names = Array.from({ length: 64 }, (_, index) => `s${index}`);
    const it = await worldOf([...names, "works", "later"], { maxFlights: 8, maxSessions: 256 });
    it.source.holds = new Set(names);
    const ask = () => names.map((name) => errorOf(it.vend(name)));
    const hanging = ask();
    await it.clock.advance(3 * SECOND);
    const queued = watch(it.vend("works"));
    await it.clock.advance(0.4 * SECOND);
    expect(queued.settled).toBe(true);
    await it.clock.advance(45 * SECOND);
    await Promise.all(hanging);
    // Eight of them have slots again; all that is new goes before the other 56.
    void ask();
    await settle();
    const later = watch(it.vend("later"));
    await it.clock.advance(0.4 * SECOND);
    expect(later.settled).toBe(true);
  });

  test("an error of the source that is not a KeyholeError keeps its text to itself", async () => {
    const it = await worldOf(["a"]);
    it.source.failure = new TypeError("AKIA-CANARY") as unknown as KeyholeError;
    const error = await errorOf(it.vend("a"));
    expect(error).toBeInstanceOf(KeyholeError);
    expect(error.kind).toBe("internal");
    expect(error.message + JSON.stringify(it.log)).not.toContain("CANARY");
  });

  test("credentials too short to ever be vended are an error", async () => {
    const it = await worldOf(["a"]);
    it.source.lifetime = 60 * SECOND;
    expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "too-short" });
  });
});

describe("renewal", () => {
  test("happens unasked before the insist window, and the next vend has it at once", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    await it.clock.advance(33 * MINUTE);
    expect(it.source.count).toBe(1);
    await it.clock.advance(2 * MINUTE);
    expect(it.source.count).toBe(2);
    expect(vendAtOnce(it, "a").credentials.accessKeyId).toBe("ASIA-a-2");
  });

  test("of a session of 900 s is at half life or a little later", async () => {
    const it = world({ random: () => 0.5 });
    await it.add("a", 900);
    await it.vend("a");
    await it.clock.advance(HOUR);
    const gaps = it.source.times.slice(1).map((time, index) => time - (it.source.times[index] ?? 0));
    expect(gaps.length).toBeGreaterThan(2);
    for (const gap of gaps) expect(gap).toBeWithin(450 * SECOND, 495 * SECOND + 1);
  });

  test("a vend past the renewal point gets the old ones at once and starts one behind its back (E-112, E-113)", async () => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    it.clock.suspend(40 * MINUTE);
    it.source.holds = true;
    expect(vendAtOnce(it, "a")).toBe(old);
    expect(vendAtOnce(it, "a")).toBe(old);
    await settle();
    expect(it.source.count).toBe(2);
    it.source.held[0]?.release();
    await settle();
    expect(vendAtOnce(it, "a")).not.toBe(old);
  });

  test("in the insist window the caller waits for the new ones", async () => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    it.clock.suspend(50 * MINUTE);
    const issue = await it.vend("a");
    expect(issue).not.toBe(old);
    expect(it.left(issue)).toBe(HOUR);
  });

  test("in the insist window nobody waits longer than 2 s, and later callers not at all", async () => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    it.clock.suspend(50 * MINUTE);
    it.source.holds = true;
    const first = it.vend("a");
    const state = watch(first);
    await it.clock.advance(1.9 * SECOND);
    expect(state.settled).toBe(false);
    await it.clock.advance(0.2 * SECOND);
    expect(await first).toBe(old);
    expect(await it.vend("a")).toBe(old);
    expect(it.source.count).toBe(2);
  });

  test("in the insist window a failed attempt is not the caller's, and nobody waits in back-off", async () => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    it.clock.suspend(50 * MINUTE);
    it.source.failure = failureOf("network");
    expect(await it.vend("a")).toBe(old);
    expect(vendAtOnce(it, "a")).toBe(old);
    expect(it.source.count).toBe(2);
  });

  test("below the floor the error of the renewal is the caller's", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    it.clock.suspend(59 * MINUTE + 1);
    it.source.failure = failureOf("network");
    expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "network" });
    it.source.failure = undefined;
    await it.clock.advance(2 * SECOND);
    expect(it.left(await it.vend("a"))).toBe(HOUR);
  });

  test("whose files have changed since it failed is tried at once, and again only when they change again", async () => {
    const it = await worldOf(["a"], { random: () => 0.99 });
    await it.vend("a");
    it.clock.suspend(59 * MINUTE + 1);
    it.source.failure = failureOf("person-needed");
    for (const [files, calls] of [
      ["unchanged", 2],
      ["unchanged", 2],
      ["changed", 3],
      [undefined, 3],
      ["changed", 3],
      ["mended", 4],
    ] as const) {
      it.source.files = files;
      if (files === "mended") it.source.failure = undefined;
      const answers = await Promise.allSettled([it.vend("a"), it.vend("a")]);
      expect(answers.map(({ status }) => status === "fulfilled")).toEqual(Array(2).fill(files === "mended"));
      expect(it.source.count).toBe(calls);
    }
  });

  test("that fails keeps the old credentials, says so once, and is tried again with back-off", async () => {
    const it = await worldOf(["a"], { random: () => 0.99 });
    const old = await it.vend("a");
    it.source.failure = failureOf("throttled");
    await it.clock.advance(43 * MINUTE);
    expect(vendAtOnce(it, "a")).toBe(old);
    const attempts = it.source.count - 1;
    expect(attempts).toBeWithin(10, 25);
    expect(it.log.filter(({ event }) => event === "renewal failed").length).toBe(1);
    expect(it.sessions.list()[0]).toMatchObject({ failures: attempts, lastError: "scripted throttled" });
    it.source.failure = failureOf("network");
    await it.clock.advance(61 * SECOND);
    expect(it.log.filter(({ event }) => event === "renewal failed").length).toBe(2);
    it.source.failure = undefined;
    await it.clock.advance(61 * SECOND);
    expect(it.sessions.list()[0]).toMatchObject({ failures: 0, lastError: undefined });
    expect(it.left(vendAtOnce(it, "a"))).toBeGreaterThan(55 * MINUTE);
  });

  test("stops when nobody asked for two lifetimes, and a vend assumes again", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    await it.clock.advance(2 * HOUR);
    const calls = it.source.count;
    expect(calls).toBeGreaterThan(2);
    await it.clock.advance(12 * HOUR);
    expect(it.source.count).toBeLessThanOrEqual(calls + 1);
    expect(it.sessions.list()[0]?.renewAt).toBeUndefined();
    const idle = it.source.count;
    expect(it.left(await it.vend("a"))).toBe(HOUR);
    expect(it.source.count).toBe(idle + 1);
    await it.clock.advance(40 * MINUTE);
    expect(it.source.count).toBe(idle + 2);
  });

  test("of a pinned session never stops, and begins without being asked", async () => {
    const it = world();
    it.configs.write("a", { ...roleConfig("a"), pin: true });
    await it.sessions.add("a", {}, { verify: false, renew: false });
    await it.clock.advance(SECOND);
    expect(it.source.count).toBe(1);
    await it.clock.advance(24 * HOUR);
    expect(it.source.count).toBeGreaterThan(40);
    expect(it.left(vendAtOnce(it, "a"))).toBeGreaterThan(16 * MINUTE);
  });

  test("of a thousand sessions at once never exceeds the bound, and callers go before the rest", async () => {
    const it = world({ maxSessions: 2_000, random: () => 0 });
    for (let index = 0; index < 1_000; index += 1) {
      await it.add(`s${index}`);
      await it.vend(`s${index}`);
    }
    it.source.holds = true;
    await it.clock.advance(35 * MINUTE + 0.3 * SECOND);
    expect(it.source.held.length).toBe(8);
    await it.add("caller");
    const waiting = it.vend("caller");
    it.source.held[0]?.release();
    await settle();
    expect(it.source.calls.at(-1)?.name).toBe("caller");
    it.source.holds = false;
    for (const call of it.source.held) call.release();
    await waiting;
    await settle();
    expect(it.source.count).toBe(2_001);
    expect(it.source.peak).toBe(8);
  });

  test("that somebody begins to wait for moves ahead in the queue", async () => {
    const it = world({ maxFlights: 1, random: () => 0 });
    for (const name of ["a", "b", "c"]) {
      await it.add(name);
      await it.vend(name);
    }
    it.source.holds = true;
    await it.clock.advance(35 * MINUTE + 0.3 * SECOND);
    it.clock.suspend(10 * MINUTE);
    const waiting = it.vend("c");
    it.source.held[0]?.release();
    await settle();
    expect(it.source.calls.slice(3).map(({ name }) => name)).toEqual(["a", "c"]);
    it.source.held[1]?.release();
    expect(it.left(await waiting)).toBe(HOUR);
  });
});

describe("a failure with nothing to vend", () => {
  test.each(["network", "throttled", "timeout", "aws-refused", "person-needed", "invalid-config"] as const)(
    "%s is answered from memory for 1 to 60 s",
    async (kind) => {
      const it = await worldOf(["a"], { random: () => 0.5 });
      it.source.failure = failureOf(kind);
      // The delays in the middle of 1 to 2, 4, 8, … and 60 s.
      for (const [index, delay] of [1.5, 2.5, 4.5, 8.5, 16.5, 30.5, 30.5].entries()) {
        const error = await errorOf(it.vend("a"));
        expect(error.kind).toBe(kind);
        await it.clock.advance((delay - 0.1) * SECOND);
        expect(await errorOf(it.vend("a"))).toBe(error);
        expect(it.source.count).toBe(index + 1);
        await it.clock.advance(0.2 * SECOND);
      }
      it.source.failure = undefined;
      await it.vend("a");
      expect(it.source.count).toBe(8);
    },
  );

  test("is remembered from when it came, not from when it was asked for", async () => {
    const it = await worldOf(["a"], { random: () => 0.5 });
    it.source.holds = true;
    const waiting = errorOf(it.vend("a"));
    await it.clock.advance(4 * SECOND);
    it.source.held[0]?.fail("aws-refused");
    const error = await waiting;
    await it.clock.advance(1.4 * SECOND);
    expect(await errorOf(it.vend("a"))).toBe(error);
    expect(it.source.count).toBe(1);
  });

  test("is tried again at once for a person, once a second", async () => {
    const it = await worldOf(["a"], { random: () => 0.5 });
    it.source.failure = failureOf("network");
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      it.sessions.compare("a", {});
      await errorOf(it.vend("a"));
      expect(it.source.count).toBe(attempt);
      await it.clock.advance(0.9 * SECOND);
      it.sessions.compare("a", {});
      await errorOf(it.vend("a"));
      expect(it.source.count).toBe(attempt);
      await it.clock.advance(0.1 * SECOND);
    }
    await errorOf(it.vend("a"));
    expect(it.source.count).toBe(8);
  });

  test("is forgotten when the config changes", async () => {
    const it = await worldOf(["a"]);
    it.source.failure = failureOf("network");
    await errorOf(it.vend("a"));
    it.source.failure = undefined;
    it.configs.write("a", roleConfig("b"));
    await it.clock.advance(10);
    expect((await it.vend("a")).arn).toEndWith("role/b");
  });

  test("is not tried again unasked", async () => {
    const it = await worldOf(["a"]);
    it.source.failure = failureOf("aws-refused");
    await errorOf(it.vend("a"));
    await it.clock.advance(HOUR);
    expect(it.source.count).toBe(1);
  });
});

describe("add", () => {
  const keep = { verify: false, renew: false };
  const verify = { verify: true, renew: false };
  const renew = { verify: true, renew: true };

  test("with verify asks AWS before it answers, and twice is one call", async () => {
    const it = world();
    it.configs.write("a", roleConfig("a"));
    const view = await it.sessions.add("a", { AWS_PROFILE: "dev" }, verify);
    expect(view).toMatchObject({ config: "a", accessKeyId: "ASIA-a-1", source: "profile dev", pinned: false });
    await it.sessions.add("a", { AWS_PROFILE: "dev" }, verify);
    expect(it.source.count).toBe(1);
  });

  test("without verify asks nobody", async () => {
    const it = world();
    it.configs.write("a", roleConfig("a"));
    const view = await it.sessions.add("a", {}, keep);
    expect(view).toMatchObject({ accessKeyId: undefined, expiresAt: undefined, renewAt: undefined, failures: 0 });
    expect(it.source.count).toBe(0);
  });

  test("gives the error of a config that is not there or does not parse", async () => {
    const it = world();
    expect(await errorOf(it.sessions.add("a", {}, verify))).toMatchObject({ kind: "no-such-config" });
    it.configs.write("a", undefined);
    expect(await errorOf(it.sessions.add("a", {}, verify))).toMatchObject({ kind: "invalid-config" });
    expect(it.sessions.list()).toEqual([]);
  });

  test("with verify gives AWS's error, and leaves no session", async () => {
    const it = world();
    it.configs.write("a", roleConfig("a"));
    it.source.failure = failureOf("aws-refused");
    expect(await errorOf(it.sessions.add("a", {}, verify))).toMatchObject({ kind: "aws-refused" });
    expect(it.sessions.list()).toEqual([]);
    expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "no-such-session" });
  });

  test("with renew replaces credentials that are still good", async () => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    await it.sessions.add("a", {}, renew);
    expect(vendAtOnce(it, "a")).not.toBe(old);
    expect(it.source.count).toBe(2);
  });

  test("with renew does not answer from the memory of a refusal", async () => {
    const it = await worldOf(["a"]);
    it.source.failure = failureOf("person-needed");
    await errorOf(it.vend("a"));
    it.source.failure = undefined;
    await it.sessions.add("a", {}, renew);
    expect(it.source.count).toBe(2);
  });

  test("from another environment renews with it, and the old credentials are vended meanwhile", async () => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    it.source.holds = true;
    const added = it.sessions.add("a", { AWS_PROFILE: "other" }, verify);
    await settle();
    expect(vendAtOnce(it, "a")).toBe(old);
    it.source.held[0]?.release();
    expect(await added).toMatchObject({ source: "profile other" });
    expect(it.source.calls.at(-1)?.environment).toEqual({ AWS_PROFILE: "other" });
  });

  test("uses the config file as it is now, and throws away a flight of what it was", async () => {
    const it = await worldOf(["a"]);
    it.source.holds = true;
    const waiting = it.vend("a");
    await settle();
    it.configs.write("a", roleConfig("other"));
    const added = it.sessions.add("a", {}, verify);
    await settle();
    for (const call of it.source.held) call.release();
    expect(await added).toMatchObject({ roleArn: "arn:aws:iam::111122223333:role/other" });
    expect((await waiting).arn).toBe("arn:aws:iam::111122223333:role/other");
  });

  test("from another environment does not answer from the memory of a refusal", async () => {
    const it = await worldOf(["a"]);
    it.source.failure = failureOf("no-source-credentials");
    await errorOf(it.vend("a"));
    it.source.failure = undefined;
    await it.sessions.add("a", { AWS_PROFILE: "dev" }, verify);
    expect(it.source.count).toBe(2);
  });

  test("twice at once from environments that do not work leaves the one that did", async () => {
    const it = world();
    it.configs.write("a", roleConfig("a"));
    await it.sessions.add("a", { AWS_PROFILE: "dev" }, verify);
    it.source.failure = failureOf("no-source-credentials");
    const profiles = ["one", "two"];
    await Promise.all(profiles.map((profile) => errorOf(it.sessions.add("a", { AWS_PROFILE: profile }, verify))));
    it.source.failure = undefined;
    await it.clock.advance(40 * MINUTE);
    expect(it.source.calls.at(-1)?.environment).toEqual({ AWS_PROFILE: "dev" });
  });

  test("from an environment that differs in PATH alone keeps the credentials", async () => {
    const it = world();
    it.configs.write("a", roleConfig("a"));
    await it.sessions.add("a", { AWS_PROFILE: "dev", PATH: "/a" }, verify);
    await it.sessions.add("a", { AWS_PROFILE: "dev", PATH: "/b" }, verify);
    expect(it.source.count).toBe(1);
    await it.sessions.add("a", { AWS_PROFILE: "dev", PATH: "/b" }, renew);
    expect(it.source.calls.at(-1)?.environment["PATH"]).toBe("/b");
  });

  test("from an environment that does not work leaves the one that did", async () => {
    const it = world();
    it.configs.write("a", roleConfig("a"));
    await it.sessions.add("a", { AWS_PROFILE: "dev" }, verify);
    it.source.failure = failureOf("no-source-credentials");
    await errorOf(it.sessions.add("a", {}, verify));
    it.source.failure = undefined;
    await it.clock.advance(40 * MINUTE);
    expect(it.source.calls.at(-1)?.environment).toEqual({ AWS_PROFILE: "dev" });
  });

  test("from another environment throws away the flight of the first, and its callers get the second's", async () => {
    const it = await worldOf(["a"]);
    it.source.holds = true;
    const waiting = it.vend("a");
    await settle();
    const added = it.sessions.add("a", { AWS_PROFILE: "other" }, verify);
    await settle();
    const [first, second] = it.source.held;
    expect(first?.request.signal.aborted).toBe(true);
    first?.release();
    await settle();
    second?.release();
    await added;
    expect((await waiting).source).toBe("profile other");
    expect(it.source.count).toBe(2);
    expect(it.source.peakOfOneName).toBe(1);
  });
});

describe("a config file", () => {
  test("that changed is assumed anew on the next request, and the old identity is never vended", async () => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    it.configs.write("a", roleConfig("other"));
    await it.clock.advance(5);
    it.source.holds = true;
    const next = it.vend("a");
    const again = it.vend("a");
    await settle();
    it.source.held[0]?.release();
    expect((await next).arn).toBe("arn:aws:iam::111122223333:role/other");
    expect(await again).toBe(await next);
    expect(vendAtOnce(it, "a")).toBe(await next);
    expect(it.source.count).toBe(2);
    await it.clock.advance(2 * SECOND);
    expect(old.line.every((byte) => byte === 0)).toBe(true);
  });

  /** A new section has to be named here. */
  const sections: Required<Config> = {
    AssumeRole: { RoleArn: "arn:aws:iam::111122223333:role/other" },
    GetSessionToken: { DurationSeconds: 900 },
    WebIdentity: { token_file: "/token" },
    Source: "base",
    sources: [{ name: "base", config: {} }],
    STS: { region_name: "eu-west-1" },
    MFA: { command: "code" },
    Session: { profile_name: "other" },
    Sign: { use_fips_endpoint: true },
    Meta: { description: "new" },
    pin: true,
  };
  test.each(Object.entries(sections))(
    "whose %s changed is assumed anew, if that may reach STS",
    async (key, section) => {
      const it = await worldOf(["a"]);
      const before = await it.vend("a");
      it.configs.write("a", { ...roleConfig("a"), [key]: section });
      await it.clock.advance(5);
      expect((await it.vend("a")) === before).toBe(["Meta", "pin", "Sign"].includes(key));
    },
  );

  test("that changed to a role that AWS refuses is the caller's error", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    it.configs.write("a", roleConfig("other"));
    await it.clock.advance(5);
    it.source.failure = failureOf("aws-refused");
    expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "aws-refused" });
    expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "aws-refused" });
    expect(it.source.count).toBe(2);
  });

  test("that changed forgets the refusal of what it said before", async () => {
    const it = await worldOf(["a"]);
    it.source.failure = failureOf("aws-refused");
    await errorOf(it.vend("a"));
    it.source.failure = undefined;
    it.configs.write("a", roleConfig("other"));
    await it.clock.advance(5);
    await it.vend("a");
    expect(it.source.count).toBe(2);
  });

  test("that changed during a flight throws its result away", async () => {
    const it = await worldOf(["a"]);
    it.source.holds = true;
    const first = it.vend("a");
    await settle();
    it.configs.write("a", roleConfig("other"));
    await it.clock.advance(5);
    const second = it.vend("a");
    await settle();
    for (const call of it.source.held) call.release();
    expect((await first).arn).toBe("arn:aws:iam::111122223333:role/other");
    expect(await second).toBe(await first);
  });

  test("that changed while its renewal was queued is read when the renewal starts", async () => {
    const it = await worldOf(["first", "a"], { maxFlights: 1 });
    it.source.holds = new Set(["first"]);
    const first = it.vend("first");
    const queued = it.vend("a");
    it.configs.write("a", roleConfig("other"));
    await settle();
    it.source.held[0]?.release();
    await first;
    expect((await queued).arn).toBe("arn:aws:iam::111122223333:role/other");
    expect(it.source.count).toBe(2);
  });

  test.each([
    { what: "the STS endpoint", config: { ...roleConfig("a"), STS: { endpoint_url: "http://sts.test" } } },
    { what: "the profile", config: { ...roleConfig("a"), Session: { profile_name: "other" } } },
    { what: "the MFA command", config: { ...roleConfig("a"), MFA: { command: "code" } } },
    { what: "the duration", config: roleConfig("a", 900) },
  ])("that changed in $what is assumed anew", async ({ config }) => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    it.configs.write("a", config);
    await it.clock.advance(5);
    expect(await it.vend("a")).not.toBe(old);
    expect(it.source.calls.at(-1)?.config).toBe(config);
  });

  test("that changed while a caller hoped for new credentials does not get that caller the old identity", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    it.clock.suspend(50 * MINUTE);
    it.source.holds = true;
    const hoping = errorOf(it.vend("a"));
    await settle();
    it.configs.write("a", roleConfig("other"));
    await it.clock.advance(5);
    it.source.holds = false;
    it.source.failure = failureOf("aws-refused");
    expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "aws-refused" });
    expect(await hoping).toMatchObject({ kind: "aws-refused" });
  });

  test("that changed while its flight was queued is assumed as it is now, behind those that wait", async () => {
    const it = await worldOf(["first", "a", "b"], { maxFlights: 1 });
    it.source.holds = new Set(["first"]);
    const vends = ["first", "a", "b"].map((name) => it.vend(name));
    it.configs.write("a", roleConfig("other"));
    await it.clock.advance(5);
    vends.push(it.vend("a"));
    it.source.held[0]?.release();
    await Promise.all(vends);
    expect(it.source.calls.map(({ name }) => name)).toEqual(["first", "b", "a"]);
    expect(it.source.calls.at(-1)?.config.AssumeRole?.RoleArn).toBe("arn:aws:iam::111122223333:role/other");
  });

  test.each([
    { what: "its description", config: { ...roleConfig("a"), Meta: { description: "new" } }, pinned: false },
    { what: "pin", config: { ...roleConfig("a"), pin: true }, pinned: true },
    { what: "nothing but its date", config: roleConfig("a"), pinned: false },
  ])("that changed in $what keeps the credentials", async ({ config, pinned }) => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    it.configs.write("a", config);
    await it.clock.advance(5);
    expect(vendAtOnce(it, "a")).toBe(old);
    expect(it.sessions.list()[0]?.pinned).toBe(pinned);
  });

  test("that no longer parses leaves what was last good, is noted, and logged once", async () => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    it.configs.write("a", undefined);
    for (let round = 0; round < 5; round += 1) {
      await it.clock.advance(5);
      expect(vendAtOnce(it, "a")).toBe(old);
    }
    await it.clock.advance(40 * MINUTE);
    expect(vendAtOnce(it, "a")).not.toBe(old);
    expect(it.sessions.list()[0]?.notes).toEqual([
      "the config file has changed and is not used: scripted invalid config",
    ]);
    expect(it.log.filter(({ event }) => event === "config not used").length).toBe(1);
    it.configs.write("a", roleConfig("a"));
    await it.clock.advance(5);
    vendAtOnce(it, "a");
    expect(it.sessions.list()[0]?.notes).toEqual([]);
  });

  test("that is gone ends its session", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    it.configs.delete("a");
    await it.clock.advance(5);
    expect(() => it.sessions.vend("a")).toThrow(expect.objectContaining({ kind: "no-such-config" }));
    expect(() => it.sessions.vend("a")).toThrow(expect.objectContaining({ kind: "no-such-session" }));
    expect(it.sessions.list()).toEqual([]);
  });

  test("that changed while a renewal that nobody waits for was queued is still renewed", async () => {
    const it = world({ maxFlights: 1, random: () => 0 });
    for (const name of ["a", "b"]) {
      await it.add(name);
      await it.vend(name);
    }
    it.source.holds = true;
    await it.clock.advance(35 * MINUTE + 0.3 * SECOND);
    it.configs.write("b", roleConfig("other"));
    it.source.holds = false;
    it.source.held[0]?.release();
    await it.clock.advance(SECOND);
    expect(it.source.calls.at(-1)?.config.AssumeRole?.RoleArn).toBe("arn:aws:iam::111122223333:role/other");
    expect(it.source.count).toBe(4);
  });

  test("that is gone when the renewal starts ends its session", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    it.configs.delete("a");
    await it.clock.advance(40 * MINUTE);
    expect(it.source.count).toBe(1);
    expect(it.sessions.list()).toEqual([]);
  });

  test("is looked at once per 5 ms, however many ask", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    await it.clock.advance(5);
    const before = it.configs.looks;
    for (let request = 0; request < 100; request += 1) vendAtOnce(it, "a");
    expect(it.configs.looks).toBe(before + 1);
  });

  test("is one of 16 that are looked at in 5 ms, and each is looked at within a second", async () => {
    const it = world();
    const names = Array.from({ length: 20 }, (_, index) => `a${index}`);
    for (const name of names) {
      await it.add(name);
      await it.vend(name);
    }
    await it.clock.advance(5);
    const before = it.configs.looks;
    for (const name of names) vendAtOnce(it, name);
    expect(it.configs.looks).toBe(before + 16);
    await it.clock.advance(1000);
    for (const name of names) vendAtOnce(it, name);
    expect(it.configs.looks).toBe(before + 36);
  });
});

describe("eviction", () => {
  test("takes the least recently used, and is one more AssumeRole and nothing else", async () => {
    const it = world({ maxSessions: 2 });
    for (const name of ["a", "b"]) {
      await it.add(name);
      await it.vend(name);
    }
    vendAtOnce(it, "a");
    await it.add("c");
    expect(it.sessions.list().map(({ config }) => config)).toEqual(["a", "c"]);
    expect(it.sessions.counters.evictions).toBe(1);
    expect(it.log).toContainEqual({ level: "info", event: "session evicted", fields: { config: "b" } });
    expect((await it.vend("b")).config).toBe("b");
    expect(it.source.count).toBe(3);
  });

  test("remembers the environment", async () => {
    const it = world({ maxSessions: 1 });
    it.configs.write("a", roleConfig("a"));
    await it.sessions.add("a", { AWS_PROFILE: "dev" }, { verify: true, renew: false });
    await it.add("b");
    await it.vend("a");
    expect(it.source.calls.at(-1)?.environment).toEqual({ AWS_PROFILE: "dev" });
  });

  test("shows to nobody, also while the config's file does not parse or is gone and back", async () => {
    const it = await worldOf(["a", "b"], { maxSessions: 1 });
    it.configs.write("a", undefined);
    expect((await it.vend("a")).config).toBe("a");
    expect(it.sessions.list()[0]!.notes.join()).toContain("scripted invalid config");
    await it.add("b");
    it.configs.delete("a");
    expect(await rejectionOf(it.vend("a"))).toMatchObject({ kind: "no-such-config" });
  });

  test("takes up what changed in the file meanwhile", async () => {
    const it = await worldOf(["a", "b"], { maxSessions: 1 });
    it.configs.write("a", roleConfig("other"));
    await it.vend("a");
    expect(it.source.calls.at(-1)?.config.AssumeRole?.RoleArn).toEndWith("/other");
  });

  test("takes pinned sessions last", async () => {
    const it = world({ maxSessions: 2 });
    it.configs.write("pinned", { ...roleConfig("pinned"), pin: true });
    await it.sessions.add("pinned", {}, { verify: true, renew: false });
    for (const name of ["a", "b"]) await it.add(name);
    expect(it.sessions.list().map(({ config }) => config)).toEqual(["pinned", "b"]);
  });

  test("never takes a session that a caller waits for", async () => {
    const it = world({ maxSessions: 2, maxFlights: 100 });
    it.source.holds = true;
    const waiting = [];
    for (let index = 0; index < 10; index += 1) {
      await it.add(`s${index}`);
      waiting.push(it.vend(`s${index}`));
    }
    await settle();
    expect(it.sessions.counters.evictions).toBe(0);
    for (const call of it.source.held) call.release();
    const issues = await Promise.all(waiting);
    expect(issues.map(({ config }) => config)).toEqual(issues.map((_, index) => `s${index}`));
    expect(issues.every(({ line }) => line[0] === "{".charCodeAt(0))).toBe(true);
    expect(it.source.count).toBe(10);
    expect(it.sessions.list().length).toBe(2);
  });

  test("never takes a session whose renewal somebody began to wait for, and aborts one that nobody waits for", async () => {
    for (const isWaitedFor of [true, false]) {
      const it = await worldOf(["a"], { maxSessions: 1 });
      await it.vend("a");
      it.source.holds = true;
      await it.clock.advance(34 * MINUTE);
      it.clock.suspend(16 * MINUTE);
      const waiting = isWaitedFor ? it.vend("a") : undefined;
      await it.add("b");
      expect(it.source.held[0]?.request.signal.aborted).toBe(!isWaitedFor);
      it.source.holds = false;
      it.source.held[0]?.release();
      if (waiting !== undefined) expect((await waiting).line[0]).toBe("{".charCodeAt(0));
    }
  });

  test("of a name whose config file is gone since forgets it", async () => {
    const it = await worldOf(["a", "b"], { maxSessions: 1 });
    it.configs.delete("a");
    expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "no-such-config" });
    it.configs.write("a", roleConfig("a"));
    expect(await errorOf(it.vend("a"))).toMatchObject({ kind: "no-such-session" });
  });

  test("forgets the oldest of very many names", async () => {
    const it = world({ maxSessions: 1 });
    for (let index = 0; index < 4_100; index += 1) await it.add(`s${index}`);
    expect(() => it.sessions.vend("s0")).toThrow(expect.objectContaining({ kind: "no-such-session" }));
    expect((await it.vend("s3")).config).toBe("s3");
  });

  test("wipes the line, but not in the turn of whoever was given it", async () => {
    const it = await worldOf(["a"], { maxSessions: 1 });
    const issue = await it.vend("a");
    await it.add("b");
    expect(issue.line[0]).toBe("{".charCodeAt(0));
    await it.clock.advance(2 * SECOND);
    expect(issue.line.every((byte) => byte === 0)).toBe(true);
  });
});

describe("remove", () => {
  test("drops the session, and twice is an error", async () => {
    const it = await worldOf(["a"]);
    const issue = await it.vend("a");
    it.sessions.remove("a");
    expect(() => it.sessions.vend("a")).toThrow(expect.objectContaining({ kind: "no-such-session" }));
    expect(() => it.sessions.remove("a")).toThrow(expect.objectContaining({ kind: "no-such-session" }));
    await it.clock.advance(2 * SECOND);
    expect(issue.line.every((byte) => byte === 0)).toBe(true);
  });

  test("drops the memory of one that was evicted", async () => {
    const it = await worldOf(["a", "b"], { maxSessions: 1 });
    it.sessions.remove("a");
    expect(() => it.sessions.vend("a")).toThrow(expect.objectContaining({ kind: "no-such-session" }));
  });

  test("during a flight tells the callers, aborts the call and throws its result away", async () => {
    const it = await worldOf(["a"]);
    it.source.holds = true;
    const waiting = errorOf(it.vend("a"));
    await settle();
    it.sessions.remove("a");
    expect(await waiting).toMatchObject({ kind: "no-such-session" });
    expect(it.source.held[0]?.request.signal.aborted).toBe(true);
    it.source.holds = false;
    await it.add("a");
    it.source.held[0]?.release();
    await settle();
    expect(it.sessions.list()[0]?.accessKeyId).toBeUndefined();
    await it.vend("a");
    expect(it.source.count).toBe(2);
  });

  test("while a caller hopes for new ones is not answered with the old ones", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    it.clock.suspend(50 * MINUTE);
    it.source.holds = true;
    const waiting = errorOf(it.vend("a"));
    await settle();
    it.sessions.remove("a");
    expect(await waiting).toMatchObject({ kind: "no-such-session" });
  });
});

describe("the clocks", () => {
  test("the wall clock set 3 h forward: the next request has fresh credentials", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    it.clock.step(3 * HOUR);
    expect(it.left(await it.vend("a"))).toBe(HOUR);
    expect(it.sessions.clockSkew).toBe(-3 * HOUR);
    await it.clock.advance(10 * MINUTE);
    vendAtOnce(it, "a");
    expect(it.source.count).toBe(2);
  });

  test("the wall clock set 3 h back: nothing expired is vended", async () => {
    const it = await worldOf(["a"]);
    const old = await it.vend("a");
    it.clock.step(-3 * HOUR);
    expect(vendAtOnce(it, "a")).toBe(old);
    await it.clock.advance(50 * MINUTE);
    expect(it.left(vendAtOnce(it, "a"))).toBeGreaterThan(16 * MINUTE);
    it.clock.suspend(50 * MINUTE);
    expect(it.left(await it.vend("a"))).toBe(HOUR);
  });

  test("a clock that was 3 h wrong and is set right does not hide an expiry", async () => {
    for (const wrong of [-3 * HOUR, 3 * HOUR]) {
      const it = world();
      it.clock.step(wrong);
      await it.add("a");
      await it.vend("a");
      expect(it.sessions.clockSkew).toBe(-wrong);
      it.clock.step(-wrong);
      it.clock.suspend(59.5 * MINUTE);
      expect(it.left(await it.vend("a"))).toBe(HOUR);
      expect(it.sessions.clockSkew).toBe(0);
    }
  });

  test("a suspend of a machine whose clock is 3 h behind does not hide an expiry", async () => {
    const it = world();
    it.clock.step(-3 * HOUR);
    await it.add("a");
    await it.vend("a");
    it.clock.suspend(59.5 * MINUTE);
    expect(it.left(await it.vend("a"))).toBe(HOUR);
  });

  test("a wall clock that stands still while time passes does not hide an expiry", async () => {
    const it = await worldOf(["a"]);
    await it.vend("a");
    it.source.failure = failureOf("network");
    for (let minute = 0; minute < 59; minute += 1) {
      await it.clock.advance(MINUTE);
      it.clock.step(-MINUTE);
    }
    await it.clock.advance(SECOND);
    it.source.failure = undefined;
    await it.clock.advance(MINUTE);
    expect(it.left(await it.vend("a"))).toBeGreaterThan(58 * MINUTE);
  });

  test("an answer that waited while the machine slept is not used", async () => {
    const it = await worldOf(["a"]);
    it.source.holds = true;
    const waiting = it.vend("a");
    await settle();
    it.source.holds = false;
    it.source.held[0]?.release();
    it.clock.suspend(2 * HOUR);
    expect(it.left(await waiting)).toBe(HOUR);
    expect(it.source.count).toBe(2);
    expect(it.sessions.clockSkew).toBe(0);
  });

  test("a jump is logged, and every session is looked at again within seconds", async () => {
    const it = world();
    for (const name of ["a", "b", "c"]) {
      await it.add(name);
      await it.vend(name);
    }
    it.clock.suspend(8 * HOUR);
    await it.clock.advance(21 * SECOND);
    expect(it.log.filter(({ event }) => event === "clock jumped").length).toBe(1);
    expect(it.source.count).toBe(6);
    for (const name of ["a", "b", "c"]) expect(it.left(vendAtOnce(it, name))).toBeGreaterThan(59 * MINUTE);
  });

  test("renewals after a jump are spread over 5 s", async () => {
    const it = await worldOf(["a"], { random: () => 0.8 });
    await it.vend("a");
    it.clock.suspend(50 * MINUTE);
    it.sessions.list();
    await it.clock.advance(3.9 * SECOND);
    expect(it.source.count).toBe(1);
    await it.clock.advance(0.4 * SECOND);
    expect(it.source.count).toBe(2);
  });

  test("a step of less than 30 s is not a jump", async () => {
    const it = await worldOf(["a"]);
    it.clock.step(29 * SECOND);
    await it.vend("a");
    expect(it.log.some(({ event }) => event === "clock jumped")).toBe(false);
  });

  test("an answer without a date lasts no longer than what was asked for", async () => {
    const it = world();
    it.source.hasDate = false;
    it.clock.step(-3 * HOUR);
    await it.add("a", 900);
    const issue = await it.vend("a");
    expect(issue.lifetime).toBe(900 * SECOND);
    expect(it.sessions.clockSkew).toBeUndefined();
  });
});

describe("identity", () => {
  test("is asked once per issue, by however many", async () => {
    const it = await worldOf(["a"]);
    const answers = await Promise.all(Array.from({ length: 100 }, () => it.sessions.identity("a")));
    expect(new Set(answers).size).toBe(1);
    expect(it.source.identifications.length).toBe(1);
    expect(it.source.count).toBe(1);
    await it.sessions.add("a", {}, { verify: true, renew: true });
    expect((await it.sessions.identity("a")).arn).toBe("arn:fake:ASIA-a-2");
  });

  test("that could not be asked is asked again", async () => {
    const it = await worldOf(["a"]);
    it.source.identityFailure = failureOf("network");
    expect(await errorOf(it.sessions.identity("a"))).toMatchObject({ kind: "network" });
    it.source.identityFailure = undefined;
    await it.sessions.identity("a");
    expect(it.source.identifications.length).toBe(2);
  });

  test("of a session without credentials asks who asks for what a helper wants", async () => {
    const it = await worldOf(["a"]);
    it.source.resolve = async ({ asksSurroundings }) => {
      if (asksSurroundings)
        throw new KeyholeError("surroundings-wanted", "a helper wants the environment of the client");
    };
    expect(await errorOf(it.sessions.identity("a"))).toMatchObject({ kind: "surroundings-wanted" });
  });

  test("of a name that was never added is an error", async () => {
    expect(await errorOf(world().sessions.identity("a"))).toMatchObject({ kind: "no-such-session" });
  });
});

describe("stop", () => {
  test("tells the callers, aborts the calls, wipes every line and leaves no timer", async () => {
    const it = await worldOf(["a", "b"]);
    const issue = await it.vend("a");
    it.source.holds = true;
    const waiting = errorOf(it.vend("b"));
    await settle();
    it.sessions.stop();
    expect(await waiting).toMatchObject({ kind: "shutting-down" });
    expect(it.source.held[0]?.request.signal.aborted).toBe(true);
    expect(issue.line.every((byte) => byte === 0)).toBe(true);
    expect(it.clock.armed).toBe(0);
    expect(() => it.sessions.vend("a")).toThrow(expect.objectContaining({ kind: "shutting-down" }));
    expect(await errorOf(it.sessions.add("a", {}, { verify: true, renew: false }))).toMatchObject({
      kind: "shutting-down",
    });
  });
});

test("stop ends a question for the identity", async () => {
  const it = await worldOf(["a"]);
  it.source.identityHangs = true;
  const asked = errorOf(it.sessions.identity("a"));
  await settle();
  it.sessions.stop();
  expect(await asked).toMatchObject({ kind: "shutting-down" });
});

test("a question for the identity that is never answered is given up after 45 s", async () => {
  const it = await worldOf(["a"]);
  it.source.identityHangs = true;
  const asked = errorOf(it.sessions.identity("a"));
  await it.clock.advance(45 * SECOND);
  expect(await asked).toMatchObject({ kind: "network" });
});

describe("what is shown", () => {
  test("has whole numbers, no secret, and the least recently used first", async () => {
    const it = world();
    it.configs.write("a", roleConfig("role-a"));
    await it.sessions.add("a", { AWS_SECRET_ACCESS_KEY: "CANARY" }, { verify: true, renew: false });
    await it.clock.advance(1.25);
    await it.add("b");
    const [first, second] = it.sessions.list();
    expect([first?.config, second?.config]).toEqual(["a", "b"]);
    expect(first).toMatchObject({
      roleArn: "arn:aws:iam::111122223333:role/role-a",
      expiresAt: (first?.issuedAt ?? 0) + HOUR,
      renewAt: (first?.issuedAt ?? 0) + HOUR - 26.25 * MINUTE,
      failures: 0,
      lastError: undefined,
      notes: [],
    });
    for (const value of Object.values(first ?? {})) if (typeof value === "number") expect(value % 1).toBe(0);
    expect(JSON.stringify([it.sessions.list(), it.log])).not.toMatch(/CANARY|secret"|token"/);
  });

  test("counts", async () => {
    const it = await worldOf(["a"]);
    it.source.failure = failureOf("network");
    await errorOf(it.vend("a"));
    await it.clock.advance(2 * SECOND);
    it.source.failure = undefined;
    it.source.holds = true;
    const waiting = it.vend("a");
    await it.clock.advance(70);
    it.source.held[0]?.release();
    await waiting;
    vendAtOnce(it, "a");
    expect(it.sessions.counters).toMatchObject({ vends: 2, assumes: 2, failures: 1, evictions: 0 });
    expect(it.sessions.counters.percentile(0.5)).toBe(70);
  });
});
