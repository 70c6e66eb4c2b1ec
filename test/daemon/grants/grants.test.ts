import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { Credentials } from "../../../src/credentials.ts";
import { Keyring } from "../../../src/daemon/sessions/static-keys.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { CallsKeyhole } from "../../../src/sources/helper.ts";
import { until, worked } from "../../processes.ts";
import { type FakeClock, settle } from "../fakes/clock.ts";
import { roleConfig } from "../fakes/configs.ts";
import { caller, connectTo, fetchFrom, grantRequest, newGrantWorld } from "../fakes/grants.ts";
import { errorOf } from "../fakes/world.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** After which nothing is renewed any more, and what was issued has expired. */
const IDLE = 4 * 60 * MINUTE;

test("a grant is a directory with a socket, and gives its credentials to whoever connects", async () => {
  await using world = await newGrantWorld();
  const { grants, directory, state, roleArn, sessionName } = await world.begin();
  expect(state).toBe("active");
  expect(roleArn).toBe("arn:aws:iam::111122223333:role/dev");
  expect(sessionName).toMatch(/^keyhole-agent-[0-9a-f]{8}$/);
  expect(directory).toMatch(/\/g\/[A-Za-z0-9_-]{22}$/);
  expect(fs.statSync(directory).mode & 0o777).toBe(0o755);
  expect(fs.lstatSync(join(directory, "sock")).mode & 0o777).toBe(0o666);
  expect(fs.readFileSync(join(directory, "aws-config"), "utf8")).toContain("[profile default]");
  const answer = await fetchFrom(directory);
  expect(answer).toMatchObject({ grant: "agent", config: "dev", accessKeyId: "ASIA-dev-1" });
  expect(world.source.count).toBe(1);
  expect(grants.list()[0]).toMatchObject({ name: "agent", uses: 1, accessKeyId: "ASIA-dev-1" });
});

const SESSION = "arn:aws:sts::111122223333:assumed-role/Dev";

test("a grant of a profile hands one identity on, and nothing when the profile is another by now", async () => {
  await using world = await newGrantWorld();
  world.configs.write("dev", { Session: { profile_name: "sso" } });
  world.source.identity = `${SESSION}/ann`;
  const grants = await world.start();
  const { directory, ...info } = await grants.add(grantRequest(), caller);
  expect(info).toMatchObject({ roleArn: `${SESSION}/ann`, sessionName: "ann" });
  expect(info.notes).toEqual([expect.stringContaining("CloudTrail cannot tell the sandbox from you")]);
  expect(world.eventsOf("grant")).toMatchObject([{ roleArn: `${SESSION}/ann`, sessionName: "ann" }]);
  expect(await fetchFrom(directory)).toMatchObject({ accessKeyId: "ASIA-dev-1" });
  // Another session of the same role has the same permissions.
  world.source.identity = `${SESSION}/ann-2`;
  await world.clock.advance(IDLE);
  const renewed = await fetchFrom(directory);
  expect(renewed.accessKeyId).toStartWith("ASIA-dev-");
  expect(grants.list()[0]).toMatchObject({ sessionName: "ann-2" });
  for (const identity of ["arn:aws:sts::111122223333:assumed-role/Admin/ann", "arn:aws:iam::111122223333:user/ann"]) {
    world.source.identity = identity;
    await world.clock.advance(IDLE);
    expect(await fetchFrom(directory)).toMatchObject({ accessKeyId: undefined });
    expect(grants.list()[0]!.lastError).toContain(`is ${identity} by now, and the grant was made for ${SESSION}/ann`);
  }
  // The daemon that starts next knows it from the definition alone.
  await world.stop();
  const next = await world.start();
  expect(await fetchFrom(directory)).toMatchObject({ accessKeyId: undefined });
  world.source.identity = `${SESSION}/ann`;
  await world.clock.advance(MINUTE);
  expect(await fetchFrom(directory)).toMatchObject({ grant: "agent" });
  expect(next.list()[0]).toMatchObject({ roleArn: `${SESSION}/ann` });
});

test("long-lived keys are in no grant, neither at its beginning nor later", async () => {
  await using world = await newGrantWorld();
  world.configs.write("dev", { Session: { profile_name: "keys" } });
  world.source.ungrantable = "are long-lived keys";
  const grants = await world.start();
  const refused = await errorOf(grants.add(grantRequest(), caller));
  expect(refused).toMatchObject({ kind: "invalid-grant", hint: expect.stringContaining("GetSessionToken") });
  expect(grants.list()).toEqual([]);
  world.source.ungrantable = undefined;
  world.source.identity = `${SESSION}/ann`;
  const { directory } = await grants.add(grantRequest(), caller);
  world.source.ungrantable = "are long-lived keys";
  await world.clock.advance(IDLE);
  expect(await fetchFrom(directory)).toMatchObject({ accessKeyId: undefined });
});

test("a grant with role sessions of its own hands nothing on, whatever becomes of its config", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  world.configs.write("dev", { Session: { profile_name: "admin" } });
  world.source.identity = `${SESSION}/ann`;
  await world.clock.advance(IDLE);
  expect(await fetchFrom(directory)).toMatchObject({ accessKeyId: undefined });
  expect(grants.list()[0]!.lastError).toContain("the grant was made for a role that its config assumed");
});

test("what outlives the end of a grant is not handed on", async () => {
  await using world = await newGrantWorld();
  world.configs.write("dev", { Session: { profile_name: "sso" } });
  world.source.identity = `${SESSION}/ann`;
  const grants = await world.start();
  const refused = await errorOf(grants.add(grantRequest({ ttlSeconds: 1_800 }), caller));
  expect(refused).toMatchObject({ kind: "invalid-grant", message: expect.stringContaining("cannot be made to end") });
  expect(await grants.add(grantRequest({ ttlSeconds: 7_200 }), caller)).toMatchObject({ state: "active" });
});

test("who makes a grant is asked for a helper's surroundings, which its renewals have as well", async () => {
  await using world = await newGrantWorld();
  world.source.resolve = async ({ asksSurroundings }) => {
    if (asksSurroundings) throw new KeyholeError("surroundings-wanted", "a helper wants the environment of the client");
  };
  const grants = await world.start();
  const asked = await errorOf(grants.add(grantRequest(), caller));
  expect(asked).toMatchObject({ kind: "surroundings-wanted" });
  expect(grants.list()).toEqual([]);
  expect(world.eventsOf("grant")).toEqual([]);
  const surroundings = { variables: { VAULT_ADDR: "https://vault" }, workingDirectory: "/work", leftOut: [] };
  await grants.add(grantRequest({ surroundings, deliver: "file" }), caller);
  await world.clock.advance(IDLE);
  expect(world.source.count).toBeGreaterThan(1);
  expect(new Set(world.source.calls.map((call) => call.surroundings))).toEqual(new Set([surroundings]));
});

test("the kernel's list of sockets does not show a grant's directory", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin();
  if (process.platform === "linux") expect(fs.readFileSync("/proc/net/unix", "utf8")).not.toContain(directory);
  expect((await fetchFrom(directory)).grant).toBe("agent");
});

test("two grants on one config are two AssumeRole calls with session names of their own", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const one = await grants.add(grantRequest({ name: "one", tags: [{ key: "agent", value: "1" }] }), caller);
  const two = await grants.add(grantRequest({ name: "two" }), caller);
  const sections = world.source.calls.map(({ config }) => config.AssumeRole!);
  expect(sections.map(({ RoleSessionName }) => RoleSessionName)).toEqual([one.sessionName, two.sessionName]);
  expect(sections.map(({ Tags }) => Tags ?? [])).toEqual([[{ Key: "agent", Value: "1" }], []]);
  expect(world.source.calls.map(({ name }) => name)).toEqual(["dev", "dev"]);
  const keys = [await fetchFrom(one.directory), await fetchFrom(two.directory)].map(({ accessKeyId }) => accessKeyId);
  expect(new Set(keys).size).toBe(2);
});

test.each([
  ["a name that is none", { name: "Agent X" }, "usage"],
  ["a config that is not there", { config: "nothing" }, "no-such-config"],
  ["a policy that is too long", { policy: "x".repeat(2049) }, "invalid-grant"],
  ["a life of a quarter of an hour less a second", { ttlSeconds: 899 }, "invalid-grant"],
  ["a delivery that is none", { deliver: "pigeon" }, "invalid-grant"],
  ["a mount point with ..", { mountAt: "/run/../etc" }, "invalid-grant"],
  ["a rate that is none", { rate: { count: 0, milliseconds: 1000 } }, "invalid-grant"],
  ["no uses at all", { maxUses: 0 }, "invalid-grant"],
  ["uses of a file", { deliver: "file", maxUses: 3 }, "invalid-grant"],
  ["a question about a file", { deliver: "file", confirm: true }, "invalid-grant"],
] as const)("a grant with %s is refused before STS is asked, and leaves nothing behind", async (_, terms, kind) => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  expect((await errorOf(grants.add(grantRequest(terms), caller))).kind).toBe(kind);
  expect(world.source.count).toBe(0);
  expect(grants.list()).toEqual([]);
  expect(world.store.list()).toEqual([]);
  expect(fs.existsSync(join(world.home, "g"))).toBe(false);
  expect(world.eventsOf("grant")).toMatchObject([{ outcome: kind }]);
});

test("a grant whose role is refused leaves nothing behind, and can be made again", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  world.source.failure = new KeyholeError("aws-refused", "AccessDenied: arn:aws:iam::111122223333:role/dev");
  const error = await errorOf(grants.add(grantRequest(), caller));
  expect(error.message).toContain("AccessDenied");
  expect([grants.list(), world.store.list(), fs.existsSync(join(world.home, "g"))]).toEqual([[], [], false]);
  world.source.failure = undefined;
  await grants.add(grantRequest(), caller);
});

test("a grant whose directory cannot be made leaves nothing behind", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  fs.writeFileSync(join(world.home, "g"), "in the way");
  expect((await errorOf(grants.add(grantRequest(), caller))).kind).toBe("unsafe-path");
  expect(world.store.list()).toEqual([]);
  fs.rmSync(join(world.home, "g"));
  await grants.add(grantRequest(), caller);
  expect(grants.list()).toHaveLength(1);
});

test.each(["socket", "file"] as const)(
  "a grant over a %s whose directory no line of a recipe can name leaves nothing behind",
  async (deliver) => {
    await using world = await newGrantWorld();
    const broken = join(world.home, "a\ntouch obeyed");
    const grants = await world.start({ mounts: broken, leaseParentOf: () => broken });
    const error = await errorOf(grants.add(grantRequest({ deliver, executable: "none" }), caller));
    expect([error.kind, error.message]).toEqual([
      "unsafe-path",
      "the path of the grant's directory has a newline or another control in it, and what is to be pasted would break there",
    ]);
    expect([grants.list(), world.store.list(), fs.existsSync(broken)]).toEqual([[], [], false]);
  },
);

test("a grant whose definition could not be read after a restart leaves nothing behind", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const environment = [{ name: "PATH", value: "/bin:".repeat(12_000) }];
  const allowUids = Array.from({ length: 1000 }, (_, index) => index);
  const error = await errorOf(grants.add(grantRequest({ environment, allowUids }), caller));
  expect(error.message).toContain("larger than 64 KiB");
  expect([grants.list(), world.store.list(), fs.existsSync(join(world.home, "g"))]).toEqual([[], [], false]);
});

test("a grant that no answer can tell of leaves nothing behind", async () => {
  await using world = await newGrantWorld();
  const { source } = world;
  const assume: typeof source.assume = async (request) => ({ ...(await source.assume(request)), packedPolicySize: -1 });
  const grants = await world.start({
    source: {
      assume,
      wayOf: (request) => source.wayOf(request),
      stampOf: () => source.stampOf(),
      reread: () => source.reread(),
      stamp: () => source.stamp(),
      identify: (...words) => source.identify(...words),
    },
  });
  expect((await errorOf(grants.add(grantRequest(), caller))).message).toContain("-1 is not a whole number");
  expect([grants.list(), world.store.list(), fs.readdirSync(join(world.home, "g"))]).toEqual([[], [], []]);
});

test("a name is taken once, also while its grant is being made", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const results = await Promise.allSettled([grants.add(grantRequest(), caller), grants.add(grantRequest(), caller)]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  expect((await errorOf(grants.add(grantRequest(), caller))).kind).toBe("grant-exists");
  expect(world.source.count).toBe(1);
});

test("revoking closes held connections, and the socket stays and says so, also after a restart", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  const held = await connectTo(directory);
  await held.ask();
  const began = worked();
  expect(grants.revoke("agent", caller).state).toBe("revoked");
  expect(worked() - began).toBeLessThan(100);
  await held.closed;
  expect((await fetchFrom(directory)).error).toBe("this grant was revoked");
  const again = grants.revoke("agent", caller);
  expect(again.revokedAt).toBe(grants.list()[0]!.revokedAt);
  expect(world.eventsOf("revoke")).toHaveLength(1);
  await world.stop();
  const restarted = await world.start();
  expect(restarted.list()).toMatchObject([{ state: "revoked", directory }]);
  expect((await fetchFrom(directory)).error).toBe("this grant was revoked");
  expect(world.source.count).toBe(1);
});

test("revoking while STS is asked throws the answer away", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  await world.clock.advance(IDLE);
  world.source.holds = true;
  const held = await connectTo(directory);
  const answer = held.ask();
  await until(() => world.source.held.length === 1);
  grants.revoke("agent", caller);
  world.source.held[0]!.release();
  expect((await errorOf(answer)).message).toBe("the connection was closed");
  expect(grants.list()[0]!.uses).toBe(0);
});

test("a grant is revoked for good on a disk that is full", async () => {
  await using world = await newGrantWorld();
  const { disk, store } = world.fillableStore();
  const grants = await world.start({ store });
  const { directory } = await grants.add(grantRequest(), caller);
  disk.isFull = true;
  expect(grants.revoke("agent", caller)).toMatchObject({ state: "revoked", notes: [] });
  expect((await fetchFrom(directory)).error).toBe("this grant was revoked");
  await world.stop();
  const restarted = await world.start();
  expect(restarted.list()).toMatchObject([{ name: "agent", state: "revoked" }]);
  expect((await fetchFrom(directory)).error).toBe("this grant was revoked");
  restarted.remove("agent", caller);
  expect([world.store.list(), fs.readdirSync(world.store.directory)]).toEqual([[], []]);
});

test("a grant that cannot be kept as revoked is revoked all the same, and says that it is not kept", async () => {
  await using world = await newGrantWorld();
  const { disk, store } = world.fillableStore();
  const grants = await world.start({ store });
  const { directory } = await grants.add(grantRequest(), caller);
  disk.isReadOnly = true;
  for (let time = 0; time < 2; time += 1)
    expect(() => grants.revoke("agent", caller)).toThrow("grant agent is revoked: in force now, not yet kept: cannot");
  expect((await fetchFrom(directory)).error).toBe("this grant was revoked");
  expect(grants.list()[0]!.notes.join()).toContain("could not be written");
});

test("removing takes the directory and the definition away", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  const held = await connectTo(directory);
  grants.remove("agent", caller);
  await held.closed;
  expect([fs.existsSync(directory), world.store.list(), grants.list()]).toEqual([false, [], []]);
  expect(() => grants.remove("agent", caller)).toThrow(expect.objectContaining({ kind: "no-such-grant" }));
  expect(() => grants.revoke("agent", caller)).toThrow(expect.objectContaining({ kind: "no-such-grant" }));
  expect(world.eventsOf("remove")).toHaveLength(1);
});

test("a grant outlives a restart with everything it is, its directory and the sockets that clients know", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const {
    connections: _,
    uses: __,
    ...before
  } = await grants.add(
    grantRequest({ ttlSeconds: 7200, tags: [{ key: "k", value: "v" }], allowUids: [1000], durationSeconds: 900 }),
    caller,
  );
  const inode = fs.statSync(before.directory).ino;
  await world.stop();
  expect(fs.existsSync(join(before.directory, "sock"))).toBe(false);
  const restarted = await world.start();
  expect(fs.statSync(before.directory).ino).toBe(inode);
  const answer = await fetchFrom(before.directory);
  expect(answer.accessKeyId).toBe("ASIA-dev-2");
  expect(world.source.calls[1]!.environment).toEqual({ AWS_PROFILE: "work" });
  expect(world.source.calls[1]!.config.AssumeRole?.RoleSessionName).toBe(before.sessionName);
  const { accessKeyId: ___, expiresAt: ____, renewAt: _____, ...same } = before;
  expect(restarted.list()[0]).toMatchObject(same);
});

test("what is missing in a directory is put back at the start", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin();
  await world.stop();
  const text = fs.readFileSync(join(directory, "env"), "utf8");
  for (const name of fs.readdirSync(directory)) fs.rmSync(join(directory, name), { recursive: true });
  await world.start();
  expect(fs.readFileSync(join(directory, "env"), "utf8")).toBe(text);
  expect((await fetchFrom(directory)).grant).toBe("agent");
});

test("a socket that somebody removed is put back", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin();
  fs.rmSync(join(directory, "sock"));
  await world.clock.advance(16 * SECOND);
  expect((await fetchFrom(directory)).grant).toBe("agent");
});

test.each(["a file", "a directory that is not empty", "a link out of it"])(
  "%s that a holder put in the socket's place makes way, and nothing behind it is touched",
  async (what) => {
    await using world = await newGrantWorld();
    const { directory } = await world.begin();
    await world.stop();
    const precious = join(world.home, "precious");
    fs.writeFileSync(precious, "precious");
    const planted = join(directory, "sock");
    if (what === "a file") fs.writeFileSync(planted, "planted");
    else if (what === "a link out of it") fs.symlinkSync(precious, planted);
    else {
      fs.mkdirSync(planted);
      fs.symlinkSync(world.home, join(planted, "link"));
    }
    await world.start();
    expect((await fetchFrom(directory)).grant).toBe("agent");
    expect(fs.readFileSync(precious, "utf8")).toBe("precious");
  },
);

test("a definition that does not parse is listed nowhere and stops nobody else, and can be removed", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin();
  await world.stop();
  fs.writeFileSync(join(world.home, "grants", "broken.yaml"), "nonsense: [", { mode: 0o600 });
  const restarted = await world.start();
  expect(restarted.list().map(({ name }) => name)).toEqual(["agent"]);
  expect((await fetchFrom(directory)).grant).toBe("agent");
  expect(world.log.map(({ event }) => event)).toContain("grant not served");
  expect((await errorOf(restarted.add(grantRequest({ name: "broken" }), caller))).kind).toBe("grant-exists");
  restarted.remove("broken", caller);
  expect(world.store.list()).toEqual(["agent"]);
});

test("a daemon that does not have the lock serves none, and takes them over when the other one is gone", async () => {
  await using world = await newGrantWorld();
  const first = await world.start();
  const { directory } = await first.add(grantRequest(), caller);
  const before = fs.statSync(join(directory, "sock")).ino;
  let isFree = false;
  const second = await world.start({
    takeLock: () => {
      if (!isFree) throw new KeyholeError("already-running", "a daemon is already running");
      return { isInPlace: true, release: () => {} };
    },
  });
  expect(second.list()).toEqual([]);
  const error = await errorOf(second.add(grantRequest({ name: "other" }), caller));
  expect(error.message).toBe("another daemon of this home serves its grants, on another socket");
  expect(() => second.revoke("agent", caller)).toThrow("another daemon");
  expect(fs.statSync(join(directory, "sock")).ino).toBe(before);
  isFree = true;
  await second.reload();
  expect(second.list().map(({ name }) => name)).toEqual(["agent"]);
});

test("a reload takes in what a person has changed: revoked, other limits, gone", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const directories = new Map<string, string>();
  for (const name of ["one", "two", "three", "four"])
    directories.set(name, (await grants.add(grantRequest({ name }), caller)).directory);
  world.store.write({ ...world.store.read("one"), revokedAt: world.clock.truth }, { durable: false });
  world.store.write(
    { ...world.store.read("two"), allowUids: [4711], tags: [{ key: "k", value: "v" }] },
    { durable: false },
  );
  world.store.remove("three");
  await grants.reload();
  await world.clock.advance(10);
  expect(grants.list().map(({ name, state }) => [name, state])).toEqual([
    ["four", "active"],
    ["one", "revoked"],
    ["two", "active"],
  ]);
  expect((await fetchFrom(directories.get("one")!)).error).toBe("this grant was revoked");
  expect((await fetchFrom(directories.get("two")!)).error).toStartWith("this socket gives");
  expect(fs.existsSync(directories.get("three")!)).toBe(false);
  expect((await fetchFrom(directories.get("four")!)).accessKeyId).toBe("ASIA-dev-4");
  world.peer.uid = 4711;
  expect((await fetchFrom(directories.get("two")!)).accessKeyId).toBe("ASIA-dev-5");
  expect(world.source.calls[4]!.config.AssumeRole?.Tags).toEqual([{ Key: "k", Value: "v" }]);
});

test("what was revoked stays so, whatever its definition says later", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  const before = world.store.read("agent");
  grants.revoke("agent", caller);
  world.store.write(before, { durable: false });
  await grants.reload();
  expect((await fetchFrom(directory)).error).toBe("this grant was revoked");
});

test("a grant expires by itself: written down once, held connections closed, the socket says so", async () => {
  await using world = await newGrantWorld();
  const { grants, directory, endsAt } = await world.begin({ ttlSeconds: 3600 });
  expect(endsAt).toBe(world.clock.truth + 60 * MINUTE);
  const held = await connectTo(directory);
  await held.ask();
  await world.clock.advance(61 * MINUTE);
  await held.closed;
  expect((await fetchFrom(directory)).error).toBe("this grant has expired");
  expect(world.eventsOf("expire")).toHaveLength(1);
  expect(grants.list()[0]!.state).toBe("expired");
  await world.stop();
  const restarted = await world.start();
  expect(restarted.list()[0]!.state).toBe("expired");
  expect((await fetchFrom(directory)).error).toBe("this grant has expired");
  expect(world.eventsOf("expire")).toHaveLength(1);
});

test("a machine that slept over the end of a grant finds it expired at the first request", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin({ ttlSeconds: 3600 });
  world.clock.suspend(2 * 60 * MINUTE);
  expect((await fetchFrom(directory)).error).toBe("this grant has expired");
  await world.clock.advance(16 * SECOND);
  expect(world.eventsOf("expire")).toHaveLength(1);
});

test("a quarter of an hour is long enough for one session", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin({ ttlSeconds: 900 });
  expect((await fetchFrom(directory)).accessKeyId).toBe("ASIA-dev-1");
  expect(world.source.calls[0]!.config.AssumeRole?.DurationSeconds).toBe(920);
});

test.each([-180, -10, 10, 180])(
  "on a machine whose clock is %d minutes off a grant lives as long as it was asked to",
  async (minutes) => {
    await using world = await newGrantWorld();
    world.clock.step(minutes * MINUTE);
    const { grants, createdAt, endsAt } = await world.begin({ ttlSeconds: 3600 });
    expect(Math.abs(createdAt - world.clock.truth)).toBeLessThan(2 * SECOND);
    expect(endsAt! - createdAt).toBe(60 * MINUTE);
    await world.clock.advance(40 * MINUTE);
    expect(grants.list()[0]!.state).toBe("active");
    await world.stop();
    const restarted = await world.start();
    expect(restarted.list()[0]!.state).toBe("active");
    await world.clock.advance(20 * MINUTE + 2 * SECOND);
    expect(restarted.list()[0]!.state).toBe("expired");
  },
);

test.each([
  ["this machine's clock is set an hour ahead", (clock: FakeClock) => clock.step(61 * MINUTE)],
  [
    "the time is over, though the clock is set back again and again",
    async (clock: FakeClock) => {
      for (let minute = 0; minute < 61; minute += 1) {
        await clock.advance(MINUTE);
        clock.step(-MINUTE);
      }
    },
  ],
] as const)("a grant ends when %s", async (_, pass) => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin({ ttlSeconds: 3600 });
  await pass(world.clock);
  // What STS says the time is, is what counts for credentials.
  world.source.hasDate = false;
  expect((await fetchFrom(directory)).error).toBe("this grant has expired");
});

test("an STS that is years ahead makes no grant that lives for years, and none that is over", async () => {
  await using world = await newGrantWorld();
  const years = 75 * 365 * 24 * 60 * MINUTE;
  const { source, clock } = world;
  /** Its clock is that far ahead, and what it issues ends an hour later. */
  const assume: typeof source.assume = async (request) => {
    const assumed = await source.assume(request);
    const expiresAt = clock.truth + years + 60 * MINUTE;
    const { accessKeyId, secretAccessKey, sessionToken } = assumed.credentials;
    const credentials = new Credentials({ accessKeyId, secretAccessKey, sessionToken, expiresAt });
    return { ...assumed, credentials, clockSkew: years, clock: "doubtful" };
  };
  const hostile = {
    assume,
    stamp: source.stamp.bind(source),
    stampOf: source.stampOf.bind(source),
    reread: source.reread.bind(source),
    wayOf: source.wayOf.bind(source),
    identify: source.identify.bind(source),
  };
  const grants = await world.start({ source: hostile });
  const { directory, endsAt } = await grants.add(grantRequest({ ttlSeconds: 2 * 3600 }), caller);
  expect(endsAt).toBe(clock.truth + 2 * 60 * MINUTE);
  expect((await fetchFrom(directory)).accessKeyId).toBe("ASIA-dev-1");
  await clock.advance(121 * MINUTE);
  expect((await fetchFrom(directory)).error).toBe("this grant has expired");
});

test("a grant that was made by a clock 23 hours ahead ends when it should, whoever's clock counts later", async () => {
  await using world = await newGrantWorld();
  const { source, clock } = world;
  const ahead = 23 * 60 * MINUTE;
  const assume: typeof source.assume = async (request) => {
    const assumed = await source.assume(request);
    const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = assumed.credentials;
    const credentials = new Credentials({ accessKeyId, secretAccessKey, sessionToken, expiresAt: expiresAt! + ahead });
    return { ...assumed, credentials, clockSkew: assumed.clockSkew! + ahead };
  };
  const skewed = {
    assume,
    stamp: source.stamp.bind(source),
    stampOf: source.stampOf.bind(source),
    reread: source.reread.bind(source),
    wayOf: source.wayOf.bind(source),
    identify: source.identify.bind(source),
  };
  const grants = await world.start({ source: skewed });
  const { directory, createdAt } = await grants.add(grantRequest({ ttlSeconds: 2 * 3600 }), caller);
  expect(createdAt).toBeGreaterThan(clock.truth + ahead - 2 * SECOND);
  await world.stop();
  await world.start();
  expect((await fetchFrom(directory)).accessKeyId).toStartWith("ASIA-dev-");
  await world.stop();
  await clock.advance(121 * MINUTE);
  expect((await world.start()).list()[0]!.state).toBe("expired");
  expect((await fetchFrom(directory)).error).toBe("this grant has expired");
});

test("keys in the environment are not written down; after a restart the config's own session helps", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const environment = [
    { name: "AWS_ACCESS_KEY_ID", value: "AKIAKEPT" },
    { name: "AWS_SECRET_ACCESS_KEY", value: "canary" },
  ];
  const { directory } = await grants.add(grantRequest({ environment }), caller);
  expect(world.source.calls[0]!.environment["AWS_SECRET_ACCESS_KEY"]).toBe("canary");
  expect(fs.readFileSync(join(world.home, "grants", "agent.yaml"), "utf8")).not.toMatch(/canary/i);
  await world.stop();
  const restarted = await world.start();
  expect((await fetchFrom(directory)).error).toBe("a person has to renew the source of these credentials");
  expect(restarted.list()[0]!.lastError).toContain("keys in an environment");
  world.environments.set("dev", { AWS_ACCESS_KEY_ID: "AKIANEW" });
  expect((await fetchFrom(directory)).accessKeyId).toBe("ASIA-dev-2");
  expect(world.source.calls[1]!.environment).toEqual({ AWS_ACCESS_KEY_ID: "AKIANEW" });
  // The keys have expired, and somebody has added the config again, as the hint says.
  await world.clock.advance(IDLE);
  world.source.failure = new KeyholeError("person-needed", "ExpiredToken");
  await fetchFrom(directory);
  world.source.failure = undefined;
  world.environments.set("dev", { AWS_ACCESS_KEY_ID: "AKIANEWER" });
  expect((await fetchFrom(directory)).grant).toBe("agent");
  expect(world.source.calls.at(-1)!.environment).toEqual({ AWS_ACCESS_KEY_ID: "AKIANEWER" });
});

test("keys of the same id that the owner brings are the grant's again; others, and a profile, are not", async () => {
  await using world = await newGrantWorld();
  const keys = { AWS_ACCESS_KEY_ID: "AKIAKEPT", AWS_SECRET_ACCESS_KEY: "canary" };
  const environment = Object.entries(keys).map(([name, value]) => ({ name, value }));
  const { directory } = await world.begin({ environment });
  await world.stop();
  const keyring = new Keyring(() => {});
  const restarted = await world.start({ completeKeys: (kept, id) => keyring.complete(kept, id) });
  world.environments.set("dev", { AWS_PROFILE: "other" });
  keyring.note({ ...keys, AWS_ACCESS_KEY_ID: "AKIAOTHER" });
  keyring.note({ AWS_ACCESS_KEY_ID: "AKIAKEPT" });
  expect((await fetchFrom(directory)).error).toBe("a person has to renew the source of these credentials");
  expect(restarted.list()[0]!.lastError).toContain("AKIAKEPT");
  // A secret that is none does not stand in the way of the right one.
  keyring.note({ ...keys, AWS_SECRET_ACCESS_KEY: "wrong" });
  world.source.failure = new KeyholeError("aws-refused", "SignatureDoesNotMatch");
  expect((await fetchFrom(directory)).error).toBeDefined();
  world.source.failure = undefined;
  keyring.note({ ...keys, AWS_PROFILE: "p" });
  expect((await fetchFrom(directory)).grant).toBe("agent");
  expect(world.source.calls.at(-1)!.environment).toEqual(keys);
});

test("a grant keeps the directory, the source and the endpoint that it was made with, and says which", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  world.configs.write("dev (/alt)", roleConfig("other"));
  const environment = [
    { name: "AWS_PROFILE", value: "p" },
    { name: "AWS_ENDPOINT_URL_STS", value: "http://127.0.0.1:1" },
    { name: "PATH", value: "/bin" },
  ];
  const { notes } = await grants.add(grantRequest({ environment, directory: "/alt" }), caller);
  expect(notes).toEqual(["it asks STS at http://127.0.0.1:1, which is not AWS's"]);
  await world.stop();
  expect((await world.start()).source("agent")).toEqual({
    directory: "/alt",
    environment: [{ name: "AWS_PROFILE", value: "p" }],
    endpoint: "http://127.0.0.1:1",
  });
});

test("a grant that was made under a profile that calls keyhole keeps no profile", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const assume = world.source.assume.bind(world.source);
  world.source.assume = async (request) => ({
    ...(await assume(request)),
    notes: [`${new CallsKeyhole("work").message}: the source is profile default instead`],
  });
  await grants.add(grantRequest(), caller);
  await world.stop();
  expect((await world.start()).source("agent").environment).toEqual([]);
});

test("a config that changed is the grant's from the next request on, and one that comes back is used again", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin();
  world.configs.write("dev", roleConfig("other"));
  await world.clock.advance(10);
  await fetchFrom(directory);
  expect(world.source.calls[1]!.config.AssumeRole?.RoleArn).toEndWith("role/other");
  world.configs.delete("dev");
  await world.clock.advance(10);
  for (let count = 0; count < 2; count++) {
    const answer = await fetchFrom(directory);
    expect(answer.error).toBe("the config of this grant no longer exists");
    await world.clock.advance(10);
  }
  world.configs.write("dev", roleConfig("third"));
  await world.clock.advance(10);
  await fetchFrom(directory);
  expect(world.source.calls[2]!.config.AssumeRole?.RoleArn).toEndWith("role/third");
});

test("a grant whose STS hangs leaves the others alone", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  world.configs.write("slow", roleConfig("slow"));
  const slow = await grants.add(grantRequest({ name: "slow", config: "slow" }), caller);
  const { directory } = await grants.add(grantRequest(), caller);
  await world.clock.advance(IDLE);
  world.source.holds = new Set(["slow"]);
  const waiting = await connectTo(slow.directory);
  const answer = waiting.ask();
  await until(() => world.source.held.length === 1);
  for (let count = 0; count < 10; count++) expect((await fetchFrom(directory)).grant).toBe("agent");
  world.source.held[0]!.release();
  expect((await answer).grant).toBe("slow");
});

test("uses are counted over restarts, and the last one is the last", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin({ maxUses: 3 });
  for (let count = 0; count < 2; count++) expect((await fetchFrom(directory)).grant).toBe("agent");
  expect(world.store.read("agent").uses).toBe(2);
  await world.stop();
  const restarted = await world.start();
  const answers = await Promise.all([fetchFrom(directory), fetchFrom(directory), fetchFrom(directory)]);
  expect(answers.filter(({ accessKeyId }) => accessKeyId !== undefined)).toHaveLength(1);
  expect(answers.map(({ error }) => error)).toContain("this grant is used up");
  expect(restarted.list()[0]).toMatchObject({ state: "used-up", uses: 3 });
  await world.stop();
  await world.start();
  expect((await fetchFrom(directory)).error).toBe("this grant is used up");
});

test("a use that cannot be written down is none, and gives nothing", async () => {
  await using world = await newGrantWorld();
  const { disk, store } = world.fillableStore();
  const grants = await world.start({ store });
  const { directory } = await grants.add(grantRequest({ maxUses: 3 }), caller);
  disk.isFull = true;
  const { accessKeyId, error } = await fetchFrom(directory);
  expect([accessKeyId, error]).toEqual([undefined, "the daemon cannot give these credentials"]);
  expect(grants.list()[0]).toMatchObject({ uses: 0, lastError: "cannot write /secret/path (ENOSPC)" });
});

test("grants share a number of connections: whoever has the most gives one up", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start({ descriptors: 12 });
  const hoarded = await grants.add(grantRequest({ name: "hoarded" }), caller);
  const modest = await grants.add(grantRequest({ name: "modest" }), caller);
  // 12 descriptors less two directories and two listeners.
  const hoarders = [];
  for (let count = 0; count < 8; count++) {
    const holder = await connectTo(hoarded.directory);
    await holder.ask();
    hoarders.push(holder);
  }
  const other = await connectTo(modest.directory);
  expect((await other.ask()).grant).toBe("modest");
  await hoarders[0]!.closed;
  expect((await hoarders[1]!.ask()).grant).toBe("hoarded");
  expect(grants.connections).toBe(8);
  await grants.add(grantRequest({ name: "third" }), caller);
  expect((await errorOf(grants.add(grantRequest({ name: "one-more" }), caller))).message).toContain(
    "room for 3 grants",
  );
});

test("one grant has 32 connections at most", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  const holders = [];
  for (let count = 0; count < 40; count++) {
    const holder = await connectTo(directory);
    await holder.ask();
    holders.push(holder);
  }
  await holders[7]!.closed;
  expect(grants.list()[0]!.connections).toBe(32);
});

test("a person answers the question of a grant; nobody's answer is a no", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin({ confirm: true });
  const allowed = fetchFrom(directory);
  const { question } = await grants.question();
  expect(question).toMatchObject({ grant: "agent" });
  expect(question!.text).toContain("uid 1000, pid 77");
  grants.answer(question!.id, true, caller);
  expect((await allowed).accessKeyId).toBe("ASIA-dev-1");
  const ignored = fetchFrom(directory);
  await grants.question();
  await world.clock.advance(15 * SECOND);
  expect((await ignored).error).toBe("a person was asked and did not allow it");
  expect(world.eventsOf("confirm").map(({ outcome, note }) => [outcome, note])).toEqual([
    ["ok", "answered"],
    ["ok", undefined],
    ["denied", undefined],
  ]);
});

test("a grant that is revoked while a person is asked gives nothing, whatever the answer", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin({ confirm: true });
  const holder = await connectTo(directory);
  const answer = holder.ask();
  const { question } = await grants.question();
  grants.revoke("agent", caller);
  grants.answer(question!.id, true, caller);
  expect((await errorOf(answer)).message).toBe("the connection was closed");
  await settle();
  expect(world.eventsOf("vend").filter(({ outcome }) => outcome === "ok")).toEqual([]);
});

test("a daemon that ends removes the sockets and lets the lock go", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  expect(world.isLocked()).toBe(true);
  await world.stop();
  expect(fs.existsSync(join(directory, "sock"))).toBe(false);
  expect(fs.existsSync(join(directory, "env"))).toBe(true);
  expect(world.isLocked()).toBe(false);
  expect((await errorOf(grants.add(grantRequest({ name: "late" }), caller))).kind).toBe("shutting-down");
});

const inside = (directory: string) => fs.readFileSync(join(directory, "keyhole"), "utf8");

/** A daemon with an executable of each kind. */
async function startWithExecutables(world: Awaited<ReturnType<typeof newGrantWorld>>) {
  const path = join(world.home, "keyhole");
  fs.writeFileSync(path, "full", { mode: 0o755 });
  const grants = await world.start({
    executable: () => ({ path, stamp: path }),
    smallExecutable: (arch) => Buffer.from(`small ${arch}`),
  });
  return { grants };
}

test.each([
  ["small", undefined, "small amd64"],
  ["small", "arm64", "small arm64"],
  ["full", undefined, "full"],
] as const)("a grant has the executable that was asked for: %s for %p", async (executable, arch, content) => {
  await using world = await newGrantWorld();
  const { grants } = await startWithExecutables(world);
  const made = await grants.add(grantRequest({ executable, arch }), caller);
  expect(made).toMatchObject({ executable, arch, executableBytes: 4096 });
  expect(inside(made.directory)).toBe(content);
});

test("its executable is changed by rename, kept in its definition, and the grant gives all the while", async () => {
  await using world = await newGrantWorld();
  const { grants } = await startWithExecutables(world);
  const { directory } = await grants.add(grantRequest({ executable: "small" }), caller);
  const opened = fs.openSync(join(directory, "keyhole"), "r");
  const held = await connectTo(directory);
  expect(await grants.set({ name: "agent", executable: "full", arch: undefined })).toMatchObject({
    executable: "full",
  });
  expect(inside(directory)).toBe("full");
  // Who runs the former one goes on.
  expect(fs.readFileSync(opened, "utf8")).toBe("small amd64");
  fs.closeSync(opened);
  expect((await held.ask()).accessKeyId).toBe("ASIA-dev-1");
  expect(world.store.read("agent").executable).toBe("full");
  expect(fs.readdirSync(directory).toSorted()).toEqual(["aws-config", "credentials", "env", "keyhole", "sock"]);
  await grants.set({ name: "agent", executable: "small", arch: "arm64" });
  expect(await grants.set({ name: "agent", executable: "small", arch: undefined })).toMatchObject({ arch: "arm64" });
  await world.stop();
  const again = (await startWithExecutables(world)).grants;
  expect(again.list()).toMatchObject([{ executable: "small", arch: "arm64" }]);
});

test("of changes at one time the last one stays, in the directory and in the definition", async () => {
  await using world = await newGrantWorld();
  const { grants } = await startWithExecutables(world);
  const { directory } = await grants.add(grantRequest({ executable: "small" }), caller);
  const kinds = ["full", "small", "full", "small"];
  await Promise.all(kinds.map((executable) => grants.set({ name: "agent", executable, arch: undefined })));
  expect([inside(directory), world.store.read("agent").executable]).toEqual(["small amd64", "small"]);
});

test("a grant that had no executable runs the one that it gets", async () => {
  await using world = await newGrantWorld();
  const { grants } = await startWithExecutables(world);
  const { directory } = await grants.add(grantRequest({ executable: "none" }), caller);
  await grants.set({ name: "agent", executable: "small", arch: undefined });
  expect(fs.readFileSync(join(directory, "aws-config"), "utf8")).toContain(
    "credential_process = /run/keyhole/keyhole\n",
  );
});

test("where the definition cannot be written, the executable before it stays", async () => {
  await using world = await newGrantWorld();
  const { disk, store } = world.fillableStore();
  const grants = await world.start({ store, smallExecutable: (arch) => Buffer.from(`small ${arch}`) });
  const { directory } = await grants.add(grantRequest({ executable: "small" }), caller);
  disk.isFull = true;
  const error = await errorOf(grants.set({ name: "agent", executable: "small", arch: "arm64" }));
  expect(error.kind).toBe("unsafe-path");
  expect(fs.readFileSync(join(directory, "keyhole"), "utf8")).toBe("small amd64");
  expect(grants.list()).toMatchObject([{ arch: undefined }]);
});

test.each([
  ["agent-b", "full", undefined, "no-such-grant"],
  ["agent", "none", undefined, "invalid-grant"],
  ["agent", "huge", undefined, "invalid-grant"],
  ["agent", "full", "arm64", "invalid-grant"],
])("%s is not given %s for %p", async (name, executable, arch, kind) => {
  await using world = await newGrantWorld();
  const { grants } = await startWithExecutables(world);
  await grants.add(grantRequest({ executable: "small" }), caller);
  expect((await errorOf(grants.set({ name, executable, arch }))).kind).toBe(kind);
});

test("a grant that is delivered as a file is given no executable", async () => {
  await using world = await newGrantWorld();
  const { grants } = await startWithExecutables(world);
  await grants.add(grantRequest({ deliver: "file" }), caller);
  const error = await errorOf(grants.set({ name: "agent", executable: "full", arch: undefined }));
  expect(error.message).toContain("is read without an executable");
});
