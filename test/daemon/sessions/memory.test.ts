import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Handlers } from "../../../src/server/dispatch.ts";
import { Keyring } from "../../../src/daemon/sessions/static-keys.ts";
import { memoryPath, openMemory, readLoaded, rememberChanges } from "../../../src/daemon/sessions/memory.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { pinHome } from "../../../src/server/watch-socket.ts";
import { resolvePaths } from "../../../src/paths.ts";
import { roleConfig } from "../fakes/configs.ts";
import { errorOf, newWorld, type World } from "../fakes/world.ts";

let directory: string;
let path: string;

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "keyhole-memory-"));
  path = join(directory, "run", "sessions.json");
});

afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

/** A daemon's life: its sessions, and the memory that it finds and leaves. */
function begin(configs: readonly string[] = ["dev", "ops"]) {
  const world = newWorld();
  for (const name of configs) world.configs.write(name, roleConfig(name));
  const log: string[] = [];
  const used = {
    loaded: new Set<string>(),
    know: (names: Iterable<string>) => {
      for (const name of names) used.loaded.add(name);
    },
  };
  const keyring = new Keyring(() => memory.heal());
  const memory = openMemory({
    path,
    home: pinHome(directory),
    sessions: world.sessions,
    keyring,
    configs: used,
    clock: world.clock,
    log: (_, event) => void log.push(event),
  });
  return { ...world, memory, keyring, loaded: used.loaded, events: log };
}

const namesOf = ({ sessions }: Pick<World, "sessions">) => sessions.list().map(({ config }) => config);

async function add(
  { sessions, memory }: ReturnType<typeof begin>,
  name: string,
  environment: Record<string, string> = {},
) {
  await sessions.add(name, environment, { verify: true, renew: false });
  memory.changed();
}

test("sessions come back in their order, with what selects their source, and without a call to AWS", async () => {
  const first = begin();
  await add(first, "ops", { AWS_PROFILE: "base", PATH: "/bin", KEYHOLE_CLIENT_TIMEOUT: "3" });
  await add(first, "dev");
  first.memory.close();

  const second = begin();
  expect(namesOf(second)).toEqual(["ops", "dev"]);
  expect(second.sessions.environmentOf("ops")).toEqual({ AWS_PROFILE: "base", PATH: "/bin" });
  await second.clock.advance(3_600_000);
  expect(second.source.count).toBe(0);
  expect((await second.vend("ops")).config).toBe("ops");
  expect(second.source.count).toBe(1);
});

test("the names of the configs that were used come back, those of a file without them as its sessions", async () => {
  const first = begin();
  first.loaded.add("held");
  await add(first, "dev");
  first.memory.close();
  expect([...begin().loaded]).toEqual(["held"]);
  const { loaded: _, ...former } = JSON.parse(fs.readFileSync(path, "utf8")) as Record<string, unknown>;
  fs.writeFileSync(path, JSON.stringify(former));
  expect(readLoaded(path)).toEqual(["dev"]);
  expect([...begin([]).loaded]).toEqual(["dev"]);
});

test.each([
  [{ config: "ops", environment: { AWS_PROFILE: 7 } }],
  [{ config: "ops", environment: { AWS_SECRET_ACCESS_KEY: "planted" } }],
  [{ config: 1, environment: {} }],
  [{ config: "ops", environment: { LD_PRELOAD: "/x" } }],
  [{ config: "ops", environment: null }],
  [{ config: "ops" }],
  [null],
  ["ops"],
])("an entry that is none, %j, takes neither the other sessions nor the names of the configs with it", (entry) => {
  fs.mkdirSync(join(directory, "run"), { mode: 0o700 });
  const sessions = [entry, { config: "dev", environment: {} }];
  fs.writeFileSync(path, JSON.stringify({ format: 2, sessions, loaded: ["gone", "dev", 7] }), { mode: 0o600 });
  expect(readLoaded(path)).toEqual(["gone", "dev"]);
  const back = begin();
  expect([...back.loaded]).toEqual(["gone", "dev"]);
  expect(namesOf(back)).toEqual(["dev"]);
  expect(back.events).toContain("session not brought back");
});

test.each([undefined, 7, {}])("nor do sessions that are no list, %j, take the names", (sessions) => {
  fs.mkdirSync(join(directory, "run"), { mode: 0o700 });
  fs.writeFileSync(path, JSON.stringify({ format: 2, sessions, loaded: ["gone"] }), { mode: 0o600 });
  const { loaded, events } = begin();
  expect([...loaded]).toEqual(["gone"]);
  expect(events).toEqual(["memory of sessions not used"]);
});

test("however many configs are used, those of sessions that are there stay known", async () => {
  const first = begin();
  first.loaded.add("dev").add("gone");
  for (let index = 0; index < 8192; index += 1) first.loaded.add(`c${index}`);
  await add(first, "dev");
  first.memory.close();
  const { loaded } = begin();
  expect(loaded.size).toBe(8192);
  expect(loaded).toContain("dev");
  expect(loaded).not.toContain("gone");
});

test("nothing is written into another home", async () => {
  const first = begin();
  await add(first, "ops", { AWS_PROFILE: "base" });
  const former = `${directory}.former`;
  fs.renameSync(directory, former);
  fs.mkdirSync(directory);
  first.memory.close();
  expect(fs.readdirSync(directory)).toEqual([]);
  fs.rmSync(former, { recursive: true });
});

test("of a file with more sessions than are ever written the last ones come back", () => {
  const names = Array.from({ length: 1030 }, (_, index) => `c${index}`);
  fs.mkdirSync(join(directory, "run"), { mode: 0o700 });
  const sessions = names.map((config) => ({ config, environment: {} }));
  fs.writeFileSync(path, JSON.stringify({ format: 2, sessions }), { mode: 0o600 });
  const { sessions: back } = begin(names);
  expect(names.filter((name) => back.environmentOf(name) !== undefined)).toEqual(names.slice(6));
});

describe("a session whose source was keys", () => {
  const keys = { AWS_ACCESS_KEY_ID: "AKIA1", AWS_SECRET_ACCESS_KEY: "planted", AWS_SESSION_TOKEN: "planted too" };
  const environment = { HOME: "/h", ...keys };

  test("is back when a requester has the same keys, and not before", async () => {
    const first = begin();
    await add(first, "dev", environment);
    first.memory.close();
    expect(fs.readFileSync(path, "utf8")).not.toContain("planted");

    const second = begin();
    expect(namesOf(second)).toEqual([]);
    second.keyring.note({ ...keys, AWS_ACCESS_KEY_ID: "AKIA2" });
    second.keyring.note({ AWS_ACCESS_KEY_ID: "AKIA1" });
    expect(namesOf(second)).toEqual([]);
    await add(second, "ops");
    second.memory.close();

    // Nor does another restart forget it.
    const third = begin();
    expect(namesOf(third)).toEqual(["ops"]);
    third.keyring.note({ HOME: "/other", ...keys });
    expect(namesOf(third)).toEqual(["ops", "dev"]);
    expect(third.sessions.environmentOf("dev")).toEqual(environment);
    expect(third.source.count).toBe(0);
  });

  test.each(["is not asked for", "is refused"])(
    "that came back with a wrong secret and %s is back with the right one",
    async (what) => {
      const first = begin();
      await add(first, "dev", environment);
      first.memory.close();

      const second = begin();
      second.keyring.note({ ...keys, AWS_SECRET_ACCESS_KEY: "wrong" });
      if (what === "is refused") {
        second.source.failure = new KeyholeError("aws-refused", "SignatureDoesNotMatch: scripted");
        await errorOf(second.vend("dev"));
        second.source.failure = undefined;
      }
      second.memory.changed();
      await second.clock.advance(200);
      second.keyring.note(keys);
      expect(second.sessions.environmentOf("dev")).toEqual(environment);
      expect((await second.vend("dev")).config).toBe("dev");
      second.memory.changed();
      second.memory.close();
      expect(JSON.parse(fs.readFileSync(path, "utf8")).sessions).toMatchObject([{ config: "dev", keyId: "AKIA1" }]);
    },
  );

  test("that was made anew with another source meanwhile stays that", async () => {
    const first = begin();
    await add(first, "dev", environment);
    first.memory.close();
    const second = begin();
    await add(second, "dev", { AWS_PROFILE: "mine" });
    second.keyring.note(keys);
    expect(second.sessions.environmentOf("dev")).toEqual({ AWS_PROFILE: "mine" });
    second.memory.close();
    expect(fs.readFileSync(path, "utf8")).not.toContain("AKIA1");
  });
});

test("a pinned session is renewed unasked, as it was", async () => {
  const first = begin();
  first.configs.write("dev", { ...roleConfig("dev"), pin: true });
  await add(first, "dev");
  first.memory.close();
  const world = newWorld();
  world.configs.write("dev", { ...roleConfig("dev"), pin: true });
  const home = { isReplaced: false };
  openMemory({
    path,
    home,
    sessions: world.sessions,
    keyring: new Keyring(() => {}),
    configs: { loaded: new Set(), know: () => {} },
    clock: world.clock,
    log: () => {},
  });
  await world.clock.advance(1000);
  expect(world.source.count).toBe(1);
});

test("a burst of changes is one write, soon", async () => {
  const world = begin();
  await add(world, "dev");
  await add(world, "ops");
  expect(fs.existsSync(path)).toBe(false);
  await world.clock.advance(100);
  expect(JSON.parse(fs.readFileSync(path, "utf8"))).toMatchObject({ sessions: [{ config: "dev" }, { config: "ops" }] });
  fs.rmSync(path);
  await world.clock.advance(60_000);
  world.memory.close();
  expect(fs.existsSync(path)).toBe(false);
});

test("the file is the owner's alone, and nothing else is left", async () => {
  const world = begin();
  await add(world, "dev");
  world.memory.close();
  expect(fs.statSync(path).mode & 0o777).toBe(0o600);
  expect(fs.readdirSync(join(directory, "run"))).toEqual(["sessions.json"]);
});

test("no secret is written, and a session that needs one does not come back", async () => {
  const first = begin(["keys", "token", "url", "later", "dev"]);
  await add(first, "keys", { AWS_ACCESS_KEY_ID: "AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY: "SECRET", AWS_PROFILE: "p" });
  await add(first, "token", { AWS_CONTAINER_AUTHORIZATION_TOKEN: "SECRET" });
  await add(first, "url", { AWS_ENDPOINT_URL_STS: "https://user:SECRET@sts.example" });
  await add(first, "later", { AWS_CONTAINER_OF_ANOTHER_RELEASE: "SECRET" });
  await add(first, "dev", { KEYHOLE_ANYTHING: "SECRET" });
  first.memory.close();
  expect(fs.readFileSync(path, "utf8")).not.toContain("SECRET");
  const second = begin(["keys", "token", "url", "later", "dev"]);
  expect(namesOf(second)).toEqual(["dev"]);
  expect((await errorOf(second.vend("keys"))).kind).toBe("no-such-session");
});

test("what was removed does not come back, nor what has no config any more", async () => {
  const first = begin();
  await add(first, "dev");
  await add(first, "ops");
  first.sessions.remove("dev");
  first.memory.changed();
  first.memory.close();
  expect(namesOf(begin())).toEqual(["ops"]);
  const third = begin(["dev"]);
  await third.clock.advance(0);
  expect(namesOf(third)).toEqual([]);
  expect(third.events).toContain("session not brought back");
});

test("the memory of a daemon that has given way to another is not written", async () => {
  const world = begin();
  await add(world, "dev");
  world.memory.abandon();
  world.memory.changed();
  world.memory.close();
  await world.clock.advance(60_000);
  expect(fs.existsSync(path)).toBe(false);
});

describe("a file that is not a memory is left out, and said in the log", () => {
  const whole = { format: 2, sessions: [{ config: "dev", environment: {} }] };
  test.each<[string, string]>([
    ["nothing", ""],
    ["half", JSON.stringify(whole).slice(0, 40)],
    ["null", "null"],
    ["a list", "[]"],
    ["another format", JSON.stringify({ ...whole, format: 1 })],
  ])("%s", async (_, text) => {
    const first = begin();
    await add(first, "dev");
    first.memory.close();
    fs.writeFileSync(path, text);
    const second = begin();
    expect(namesOf(second)).toEqual([]);
    expect(second.events).toEqual(["memory of sessions not used"]);
  });

  test("one that others can write to", async () => {
    const first = begin();
    await add(first, "dev");
    first.memory.close();
    fs.chmodSync(path, 0o666);
    expect(namesOf(begin())).toEqual([]);
  });
});

test("a place that cannot be written to costs the memory and nothing else", async () => {
  fs.writeFileSync(join(directory, "run"), "in the way");
  const world = begin();
  await add(world, "dev");
  await world.clock.advance(1000);
  expect(world.events).toContain("sessions not remembered");
  fs.rmSync(join(directory, "run"));
  await add(world, "ops");
  await world.clock.advance(1000);
  expect(fs.existsSync(path)).toBe(true);
});

const pathOf = (socket?: string) => memoryPath(resolvePaths({ HOME: "/h" }, { socket }, () => "/"));

test("a home that was removed is not made again", async () => {
  const world = begin();
  fs.rmSync(directory, { recursive: true });
  await add(world, "dev");
  world.memory.close();
  expect(fs.existsSync(directory)).toBe(false);
  fs.mkdirSync(directory);
});

test("each socket's daemon has a memory of its own", () => {
  expect(pathOf()).toBe("/h/.keyhole/run/sessions.json");
  expect(pathOf("/h/.keyhole/sock/daemon.sock")).toBe(pathOf());
  expect(new Set([pathOf(), pathOf("/a.sock"), pathOf("/b.sock")]).size).toBe(3);
  expect(pathOf("/a.sock")).toMatch(/^\/h\/\.keyhole\/run\/sessions-[0-9a-z]+\.json$/);
});

test("removals are told to the memory", async () => {
  const forgotten: string[] = [];
  const handlers = { Remove: () => "removed", List: () => "listed" } as unknown as Handlers;
  const told = rememberChanges(handlers, (name) => forgotten.push(name) > 0);
  expect(told.Remove({ config: "dev" }, {} as never)).toBe("removed" as never);
  await told.List({}, {} as never);
  expect(forgotten).toEqual(["dev"]);
});

test("what waits for its keys is removed like what is there, and does not come back", async () => {
  const keys = { AWS_ACCESS_KEY_ID: "AKIA1", AWS_SECRET_ACCESS_KEY: "planted" };
  const first = begin();
  for (const name of ["dev", "ops"]) await add(first, name, keys);
  first.memory.close();

  const second = begin();
  const { Remove } = rememberChanges(
    { Remove: ({ config }: { config: string }) => second.sessions.remove(config) } as unknown as Handlers,
    (name) => second.memory.forget(name),
  );
  expect(Remove({ config: "dev" }, {} as never)).toEqual({});
  expect(() => Remove({ config: "dev" }, {} as never)).toThrow("no session of config");
  second.keyring.note(keys);
  expect(namesOf(second)).toEqual(["ops"]);
  void Remove({ config: "ops" }, {} as never);
  second.memory.close();

  const third = begin();
  third.keyring.note(keys);
  expect(namesOf(third)).toEqual([]);
});

const way = { HTTPS_PROXY: "http://proxy.evil:8080", AWS_CA_BUNDLE: "/evil/ca.pem" };

test("how a shell reaches AWS is not kept: after a restart it is the next asker's way", async () => {
  const first = begin();
  await add(first, "dev", { AWS_PROFILE: "base", ...way });
  first.memory.close();
  expect(fs.readFileSync(path, "utf8")).not.toMatch(/evil|PROXY|CA_BUNDLE/);

  // The daemon's own is tried. Where it fails, and that is written down again, the client brings its own.
  const second = begin();
  second.source.failure = new KeyholeError("network", "no way");
  expect(await errorOf(second.vend("dev"))).toMatchObject({ kind: "no-such-session" });
  expect(await errorOf(second.vend("dev"))).toMatchObject({ kind: "no-such-session" });
  second.memory.changed();
  second.memory.close();

  const third = begin();
  const other = { AWS_PROFILE: "other", HTTPS_PROXY: "http://mine:1" };
  await third.sessions.add("dev", other, { verify: true, renew: false, keep: true });
  expect((await third.vend("dev")).config).toBe("dev");
  const environments = [second, third].map(({ source }) => source.calls.map(({ environment }) => environment));
  expect(environments).toEqual([[{ AWS_PROFILE: "base" }], [{ AWS_PROFILE: "base", HTTPS_PROXY: "http://mine:1" }]]);
});

test("a shell's way that an older daemon wrote down is not used", async () => {
  fs.mkdirSync(join(directory, "run"), { mode: 0o700 });
  const sessions = [{ config: "dev", environment: { AWS_PROFILE: "base", ...way } }];
  fs.writeFileSync(path, JSON.stringify({ format: 2, sessions }), { mode: 0o600 });
  const it = begin();
  expect((await it.vend("dev")).config).toBe("dev");
  expect(it.source.calls.map(({ environment }) => environment)).toEqual([{ AWS_PROFILE: "base" }]);
});

test("an addition that fails leaves a session that has lost its way without one", async () => {
  const first = begin();
  await add(first, "dev", { AWS_PROFILE: "base", ...way });
  first.memory.close();

  const second = begin();
  second.source.failure = new KeyholeError("network", "no way");
  const adding = second.sessions.add("dev", { AWS_PROFILE: "b" }, { verify: true, renew: true });
  expect(await errorOf(adding)).toMatchObject({ kind: "network" });
  expect(await errorOf(second.vend("dev"))).toMatchObject({ kind: "no-such-session" });
  expect(second.sessions.environmentOf("dev")).toEqual({ AWS_PROFILE: "base" });
});
