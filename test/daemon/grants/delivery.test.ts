import { fromIni } from "@aws-sdk/credential-provider-ini";
import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { existsSync, lstatSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Credentials, formatProcessLine } from "../../../src/credentials.ts";
import { createDelivery, createLease, type Lease } from "../../../src/daemon/grants/delivery.ts";
import type { LiveGrant } from "../../../src/daemon/grants/livegrants.ts";
import { type Mount, openMount } from "../../../src/daemon/mounts/mount.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { roleConfig } from "../fakes/configs.ts";
import { caller, grantRequest, newGrantWorld } from "../fakes/grants.ts";
import { newWorld } from "../fakes/world.ts";

const MINUTE = 60_000;

const fileRequest = (ttlSeconds?: number) => grantRequest({ deliver: "file", mountAt: "host", ttlSeconds });

function readLease(directory: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(directory, "lease.json"), "utf8")) as Record<string, unknown>;
}

test("a lease is the process line, in a directory without socket and executable", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const { directory, executable } = await grants.add(fileRequest(), caller);
  expect(directory).toStartWith(join(world.home, "leases"));
  expect(readLease(directory)).toMatchObject({ Version: 1, AccessKeyId: "ASIA-dev-1", SecretAccessKey: "secret" });
  expect(lstatSync(join(directory, "lease.json")).mode & 0o777).toBe(0o444);
  expect([existsSync(join(directory, "sock")), executable]).toEqual([false, "none"]);
  expect(readFileSync(join(directory, "aws-config"), "utf8")).toContain(`cat ${directory}/lease.json`);
  expect(world.eventsOf("vend")).toMatchObject([
    { transport: "file", outcome: "ok", grant: "agent", config: "dev", accessKeyId: "ASIA-dev-1" },
  ]);
});

test("a lease is renewed ahead of its expiry for as long as nobody asks", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const { directory } = await grants.add(fileRequest(), caller);
  const inode = statSync(directory).ino;
  for (let minutes = 0; minutes < 10 * 60; minutes += 5) {
    const { Expiration } = readLease(directory);
    expect(Date.parse(Expiration as string) - world.clock.truth).toBeGreaterThan(15 * MINUTE);
    await world.clock.advance(5 * MINUTE);
  }
  expect(statSync(directory).ino).toBe(inode);
  expect(world.source.count).toBeGreaterThan(10);
  expect(world.eventsOf("vend")).toHaveLength(world.source.count);
});

test("after a restart the lease is renewed without anyone asking", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const { directory } = await grants.add(fileRequest(), caller);
  await world.stop();
  expect(readLease(directory)["AccessKeyId"]).toBe("ASIA-dev-1");
  await world.start();
  await world.clock.advance(1000);
  expect(readLease(directory)["AccessKeyId"]).toBe("ASIA-dev-2");
});

test("a lease of before a restart stays while STS cannot be reached, and goes when AWS refuses", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const { directory } = await grants.add(fileRequest(), caller);
  await world.stop();
  world.source.failure = new KeyholeError("network", "no answer from STS");
  await world.start();
  await world.clock.advance(MINUTE);
  expect(readLease(directory)["AccessKeyId"]).toBe("ASIA-dev-1");
  world.source.failure = new KeyholeError("aws-refused", "AccessDenied: arn:aws:iam::111122223333:role/dev");
  await world.clock.advance(2 * MINUTE);
  expect(readLease(directory)).toEqual({ Version: "keyhole: AWS refused to give these credentials" });
});

test("credentials that still live outlast a refusal; then the lease says why there are none, until there are again", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const { directory } = await grants.add(fileRequest(), caller);
  world.source.failure = new KeyholeError("aws-refused", "AccessDenied");
  await world.clock.advance(50 * MINUTE);
  expect(readLease(directory)["AccessKeyId"]).toBe("ASIA-dev-1");
  await world.clock.advance(12 * MINUTE);
  expect(readLease(directory)).toEqual({ Version: "keyhole: AWS refused to give these credentials" });
  expect(grants.list()[0]!.lastError).toBe("AccessDenied");
  world.source.failure = undefined;
  await world.clock.advance(2 * MINUTE);
  expect(readLease(directory)).toHaveProperty("SessionToken");
});

test.each(["revoked", "expired"] as const)(
  "the lease of a grant that is %s is an error document, also after a restart",
  async (how) => {
    await using world = await newGrantWorld();
    const grants = await world.start();
    const { directory } = await grants.add(fileRequest(3600), caller);
    if (how === "revoked") grants.revoke("agent", caller);
    else await world.clock.advance(61 * MINUTE);
    const document = { Version: `keyhole: this grant ${how === "revoked" ? "was revoked" : "has expired"}` };
    expect(readLease(directory)).toEqual(document);
    const { count } = world.source;
    await world.stop();
    await world.start();
    await world.clock.advance(10 * MINUTE);
    expect(readLease(directory)).toEqual(document);
    expect(world.source.count).toBe(count);
  },
);

test("no lease outlives its grant", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const { directory, endsAt } = await grants.add(fileRequest(2 * 3600), caller);
  for (let minutes = 0; minutes < 119; minutes += 1) {
    const { Expiration } = readLease(directory);
    if (Expiration !== undefined) expect(Date.parse(Expiration as string)).toBeLessThanOrEqual(endsAt!);
    await world.clock.advance(MINUTE);
  }
});

test("a config that goes ends the lease, and one that comes back brings it back", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const { directory } = await grants.add(fileRequest(), caller);
  world.configs.delete("dev");
  await world.clock.advance(65 * MINUTE);
  expect(readLease(directory)).toEqual({ Version: "keyhole: the config of this grant no longer exists" });
  world.configs.write("dev", roleConfig("dev"));
  await world.clock.advance(MINUTE);
  expect(readLease(directory)["AccessKeyId"]).toBe("ASIA-dev-2");
});

test("removing takes the lease away", async () => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  const { directory } = await grants.add(fileRequest(), caller);
  grants.remove("agent", caller);
  expect(existsSync(directory)).toBe(false);
});

test("a lease that could not be written is tried again, and said of the grant meanwhile", async () => {
  await using world = await newGrantWorld();
  let isFull = true;
  const delivery = createDelivery({ record: world.options.record, log: world.options.log });
  const written: string[] = [];
  const lease: Lease = {
    write: (line) => {
      if (isFull) throw new KeyholeError("unsafe-path", "cannot write lease.json (ENOSPC)");
      written.push(new TextDecoder().decode(line));
    },
    end: ({ message }) => void written.push(message),
  };
  const grants = await world.start();
  await grants.add(grantRequest(), caller);
  const grant = world.store.read("agent");
  const live = { grant, lease, leased: undefined, isLeaseStale: false } as unknown as LiveGrant;
  const other = newWorld();
  await other.add("dev");
  const issue = await other.vend("dev");
  delivery.deliver(live, issue);
  expect([live.isLeaseStale, live.lastError?.message]).toEqual([true, "cannot write lease.json (ENOSPC)"]);
  isFull = false;
  delivery.deliver(live, issue);
  delivery.deliver(live, issue);
  expect(live.isLeaseStale).toBe(false);
  expect(written).toHaveLength(1);
  delivery.withhold(live, "aws-refused");
  delivery.withhold(live, "aws-refused");
  expect(written).toHaveLength(2);
  expect(world.eventsOf("vend").map(({ outcome }) => outcome)).toEqual(["ok", "aws-refused"]);
});

let root: string;
let mount: Mount;
let lease: Lease;
let path: string;

beforeEach(() => {
  root = fs.mkdtempSync(`${tmpdir()}/keyhole-lease-`);
  mount = openMount(`${root}/home/g`, "abcdefghijABCDEFGHIJ_-");
  lease = createLease(mount);
  path = `${mount.path}/lease.json`;
});
afterEach(() => {
  mount.close();
  fs.chmodSync(`${root}/home/g`, 0o700);
  fs.rmSync(root, { recursive: true, force: true });
});

const line = (accessKeyId: string): Uint8Array =>
  formatProcessLine(
    new Credentials({
      accessKeyId,
      secretAccessKey: "the-secret",
      sessionToken: "the-token",
      expiresAt: Date.UTC(2099, 0, 1),
    }),
  );

/** What the SDK for JavaScript makes of it, by the way that a lease's aws-config goes. */
async function readBySdk() {
  fs.writeFileSync(`${root}/config`, `[profile lease]\ncredential_process = cat ${path}\n`);
  return fromIni({ profile: "lease", configFilepath: `${root}/config`, filepath: "/dev/null" })();
}

test("a lease is what an SDK reads, anybody may read it, and it is the whole line at every moment", async () => {
  lease.write(line("ASIAONE"));
  expect(fs.statSync(path).mode & 0o7777).toBe(0o444);
  expect(await readBySdk()).toMatchObject({ accessKeyId: "ASIAONE", sessionToken: "the-token" });
  const reader = fs.openSync(path, "r");
  lease.write(line("ASIATWO"));
  expect(fs.readFileSync(reader)).toEqual(Buffer.from(line("ASIAONE")));
  expect(fs.readFileSync(path)).toEqual(Buffer.from(line("ASIATWO")));
  fs.closeSync(reader);
  expect(fs.readdirSync(mount.path)).toEqual(["lease.json"]);
});

test("no byte of a line is kept: it can be wiped as soon as it was written", () => {
  const bytes = line("ASIAONE");
  lease.write(bytes);
  const text = fs.readFileSync(path, "utf8");
  bytes.fill(0);
  expect(fs.readFileSync(path, "utf8")).toBe(text);
  lease.write(line("ASIAONE"));
  expect(fs.readFileSync(path, "utf8")).toContain("ASIAONE");
});

test.each([
  ["revoked", "this grant was revoked", '{"Version":"keyhole: this grant was revoked"}\n'],
  ["expired", 'it said "\u001b[2J\u202e"\n', '{"Version":"keyhole: it said \\"\\u001b[2J\\u202e\\"\\n"}\n'],
] as const)("after the end stands one line of JSON that an SDK refuses (%s)", async (kind, words, expected) => {
  lease.write(line("ASIAONE"));
  lease.end(new KeyholeError(kind, words));
  expect(fs.readFileSync(path, "utf8")).toBe(expected);
  expect(fs.statSync(path).mode & 0o7777).toBe(0o444);
  expect(await readBySdk().catch(String)).toContain("did not return Version 1");
});

test("where the reason cannot be written the credentials go all the same, and it is written when there is room", () => {
  lease.write(line("ASIAONE"));
  let isFull = true;
  const full = createLease({
    write: (name, bytes, mode) => {
      if (isFull) throw new KeyholeError("unsafe-path", "cannot write (ENOSPC)");
      mount.write(name, bytes, mode);
    },
    clear: (name) => mount.clear(name),
  });
  expect(() => full.end(new KeyholeError("revoked", "this grant was revoked"))).toThrow("ENOSPC");
  expect(fs.readdirSync(mount.path)).toEqual([]);
  expect(() => full.end(new KeyholeError("revoked", "this grant was revoked"))).toThrow("ENOSPC");
  isFull = false;
  full.end(new KeyholeError("revoked", "this grant was revoked"));
  expect(fs.readFileSync(path, "utf8")).toContain("this grant was revoked");
});
