import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as fc from "fast-check";
import { openGrantStore } from "../../src/grants/store.ts";
import { thrownBy } from "../thrown.ts";
import { anyGrant, FULL, LEAST } from "./fakes/grants.ts";

const root = fs.mkdtempSync(`${tmpdir()}/keyhole-grants-`);
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

let directory = "";
beforeEach(() => {
  directory = `${fs.mkdtempSync(`${root}/home-`)}/grants`;
});

const DURABLE = { durable: true };
const modeOf = (path: string) => (fs.statSync(path).mode & 0o7777).toString(8);

/** A definition as somebody else may have written it. */
function put(name: string, text: string | Uint8Array): string {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = `${directory}/${name}.yaml`;
  fs.writeFileSync(path, text, { mode: 0o600 });
  return path;
}

test("a grant that was written is read back as it was, whatever its texts are", () => {
  const store = openGrantStore(directory);
  fc.assert(
    fc.property(anyGrant, (grant) => {
      store.write(grant, { durable: false });
      expect(store.read(grant.name)).toEqual(grant);
      store.remove(grant.name);
    }),
    { numRuns: 200 },
  );
});

test("a definition is the owner's alone, and reads like the command that made it", () => {
  openGrantStore(directory).write(LEAST, DURABLE);
  const path = `${directory}/agent-a.yaml`;
  expect([modeOf(directory), modeOf(path)]).toEqual(["700", "600"]);
  expect(fs.readdirSync(directory)).toEqual(["agent-a.yaml"]);
  expect(fs.readFileSync(path, "utf8")).toBe(`config: dev
id: '0000000000000000000000000000000000000000000000000000000000000000'
session_name: keyhole-agent-a-00000000
created: '1970-01-01T00:00:00Z'
deliver: socket
mount_at: /run/keyhole
executable: small
rate: '100/h'
uses: 0
confirm: false
had_keys: false
`);
});

test("writing replaces, and changes the revision", () => {
  const store = openGrantStore(directory);
  store.write(LEAST, DURABLE);
  const before = store.revision(LEAST.name);
  store.write({ ...LEAST, uses: 1 }, { durable: false });
  expect(store.read(LEAST.name).uses).toBe(1);
  expect(before).toBeString();
  expect(store.revision(LEAST.name)).not.toBe(before);
});

test("a definition is revoked by its name, until it is written anew", () => {
  const store = openGrantStore(directory);
  store.write(LEAST, DURABLE);
  const before = store.revision(LEAST.name);
  const now = Date.now();
  store.markRevoked(LEAST.name);
  store.markRevoked(LEAST.name);
  expect(fs.readdirSync(directory)).toEqual(["agent-a.revoked"]);
  const { revokedAt, ...rest } = store.read(LEAST.name);
  expect(rest).toEqual({ ...LEAST, revokedAt: undefined } as typeof rest);
  expect(Math.abs(revokedAt! - now)).toBeLessThan(60_000);
  expect([store.list(), store.revision(LEAST.name) === before]).toEqual([["agent-a"], false]);
  // A definition that stands beside it, however it came there, changes nothing.
  put(LEAST.name, "config: dev");
  expect([store.list(), store.read(LEAST.name).revokedAt]).toEqual([["agent-a"], revokedAt]);
  store.write({ ...LEAST, revokedAt: 5 }, DURABLE);
  expect(fs.readdirSync(directory)).toEqual(["agent-a.yaml"]);
  expect([store.remove(LEAST.name), store.remove(LEAST.name)]).toEqual([true, false]);
});

test("a definition that cannot be renamed is removed", () => {
  const store = openGrantStore(directory);
  store.write(LEAST, DURABLE);
  fs.mkdirSync(`${directory}/agent-a.revoked`);
  fs.writeFileSync(`${directory}/agent-a.revoked/full`, "");
  expect(() => store.markRevoked(LEAST.name)).not.toThrow();
  expect(store.list()).toEqual([]);
});

test("names are listed in their order, and what is no definition is not", () => {
  const store = openGrantStore(directory);
  expect(store.list()).toEqual([]);
  for (const name of ["b", "a-1", "a"]) store.write({ ...LEAST, name }, DURABLE);
  put("Not-a-name", "");
  fs.writeFileSync(`${directory}/c.yml`, "");
  fs.writeFileSync(`${directory}/.d.yaml`, "");
  fs.mkdirSync(`${directory}/e.yaml`);
  fs.symlinkSync("a.yaml", `${directory}/f.yaml`);
  expect(store.list()).toEqual(["a", "a-1", "b"]);
});

test("removing says whether there was something", () => {
  const store = openGrantStore(directory);
  expect(store.remove("ci")).toBeFalse();
  store.write(FULL, DURABLE);
  expect([store.remove("ci"), store.remove("ci")]).toEqual([true, false]);
  expect(store.list()).toEqual([]);
  expect(store.revision("ci")).toBeUndefined();
});

test("a grant that is not there is no such grant, with the nearest name", () => {
  const store = openGrantStore(directory);
  expect(thrownBy(() => store.read("agent-a")).hint).toBe("keyhole grant list");
  store.write(LEAST, DURABLE);
  const error = thrownBy(() => store.read("agnet-a"));
  expect([error.kind, error.message, error.hint]).toEqual([
    "no-such-grant",
    "there is no grant agnet-a, did you mean agent-a",
    "keyhole grant list",
  ]);
});

test.each(["", "..", "../configs/dev", "a/b", "A", "a.yaml", "a\u0000"])("%j leads nowhere", (name) => {
  const store = openGrantStore(directory);
  const actions = [() => store.read(name), () => store.remove(name), () => store.write({ ...LEAST, name }, DURABLE)];
  expect(actions.map((action) => thrownBy(action).kind)).toEqual(["usage", "usage", "usage"]);
  expect(store.revision(name)).toBeUndefined();
});

describe("a file that is no grant", () => {
  test("names itself, its lines and everything that is wrong, and no value", () => {
    openGrantStore(directory).write(LEAST, DURABLE);
    const path = `${directory}/agent-a.yaml`;
    const text = fs
      .readFileSync(path, "utf8")
      .replace("'100/h'", "SECRET")
      .replace("deliver: socket", "deliver: SECRET");
    put("agent-a", `${text}extra: SECRET\n`);
    const error = thrownBy(() => openGrantStore(directory).read("agent-a"));
    expect([error.kind, error.hint]).toEqual(["invalid-grant", "keyhole grant remove agent-a"]);
    expect(error.message.split("\n")).toEqual([
      `${path}: line 5: deliver must be socket, file or sign`,
      `${path}: line 8: rate must be requests in a time, like 10/s`,
      `${path}: line 12: extra is no key of a grant`,
    ]);
  });

  test.each<[string, string | Uint8Array, string]>([
    ["empty", "", "the file must be a mapping"],
    ["a list", "- SECRET\n", "the file must be a mapping"],
    ["not YAML", "a: [SECRET\n", ""],
    ["a key twice", "config: SECRET\nconfig: SECRET\n", "line 2: "],
    ["an alias", "config: &a SECRET\nid: *a\n", "line 1: "],
    ["not UTF-8", new Uint8Array([0xff, 0xfe]), "not UTF-8"],
    ["too large", "#".repeat(70_000), "larger than 64 KiB"],
  ])("is refused when it is %s", (_, text, message) => {
    const path = put("ci", text);
    const error = thrownBy(() => openGrantStore(directory).read("ci"));
    expect(error.kind).toBe("invalid-grant");
    expect(error.message).toStartWith(`${path}: ${message}`);
    expect(error.message).not.toContain("SECRET");
  });
});

describe("whom it trusts", () => {
  test("a file that others can write is not read", () => {
    const store = openGrantStore(directory);
    store.write(FULL, DURABLE);
    fs.chmodSync(`${directory}/ci.yaml`, 0o666);
    const error = thrownBy(() => store.read("ci"));
    expect([error.kind, error.hint]).toEqual(["unsafe-path", `chmod go-w ${directory}/ci.yaml`]);
  });

  test("nothing is read or written in a directory that others can write", () => {
    const store = openGrantStore(directory);
    store.write(FULL, DURABLE);
    fs.chmodSync(directory, 0o777);
    const actions = [
      () => store.list(),
      () => store.read("ci"),
      () => store.write(LEAST, DURABLE),
      () => store.remove("ci"),
    ];
    expect(actions.map((action) => thrownBy(action).kind)).toEqual(actions.map(() => "unsafe-path"));
    expect(fs.readdirSync(directory)).toEqual(["ci.yaml"]);
  });

  test("a directory of somebody else's is refused, but for root's", () => {
    openGrantStore(directory).write(FULL, DURABLE);
    const own = process.getuid?.() ?? 0;
    const list = () => openGrantStore(directory, own + 1).list();
    if (own === 0) expect(list()).toEqual(["ci"]);
    else expect(thrownBy(list).kind).toBe("unsafe-path");
  });
});
