import { expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Grants } from "../../../src/daemon/grants/grants.ts";
import { grantIdOf, isDirectoryName } from "../../../src/grants/names.ts";
import { baseOf } from "../../../src/paths.ts";
import { settle } from "../fakes/clock.ts";
import { caller, connectTo, fetchFrom, grantRequest, newGrantWorld } from "../fakes/grants.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

type World = Awaited<ReturnType<typeof newGrantWorld>>;

/** A daemon whose next reload stops where it looks for a region, until it is let go. */
async function startHeld(world: World) {
  let held: PromiseWithResolvers<string> | undefined;
  const grants = await world.start({ regionOf: () => held?.promise ?? Promise.resolve("eu-west-1") });
  return {
    grants,
    /** A reload that stops there, after `during` ran. */
    reloadDuring: async (during: () => unknown) => {
      held = Promise.withResolvers<string>();
      const reload = grants.reload();
      await settle();
      await during();
      held.resolve("eu-west-1");
      held = undefined;
      await reload;
    },
  };
}

/** What a person does with an editor. */
function edit(world: World, name: string, changes: Partial<ReturnType<World["store"]["read"]>>): void {
  world.store.write({ ...world.store.read(name), ...changes }, { durable: false });
}

test("a grant that is revoked while its definition is read again stays revoked", async () => {
  await using world = await newGrantWorld();
  const { grants, reloadDuring } = await startHeld(world);
  const { directory } = await grants.add(grantRequest(), caller);
  edit(world, "agent", { allowUids: [1000] });
  await reloadDuring(() => grants.revoke("agent", caller));
  expect(grants.list()[0]!.state).toBe("revoked");
  expect((await fetchFrom(directory)).error).toBe("this grant was revoked");
  expect(world.store.read("agent").revokedAt).toBeDefined();
});

test("a grant that is removed while its definition is read again is not put back", async () => {
  await using world = await newGrantWorld();
  const { grants, reloadDuring } = await startHeld(world);
  const { directory } = await grants.add(grantRequest(), caller);
  edit(world, "agent", { allowUids: [1000] });
  await reloadDuring(() => grants.remove("agent", caller));
  expect([grants.list(), world.store.list(), existsSync(directory)]).toEqual([[], [], false]);
});

test("a use is not forgotten because the definition that is read is older", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin({ maxUses: 2 });
  const backup = world.store.read("agent");
  await fetchFrom(directory);
  world.store.write(backup, { durable: false });
  await grants.reload();
  expect((await fetchFrom(directory)).error).toBeUndefined();
  expect((await fetchFrom(directory)).error).toBe("this grant is used up");
  expect(world.store.read("agent").uses).toBe(2);
});

test.each(["removed", "revoked"])("a use does not undo what a person did to the definition: %s", async (what) => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin({ maxUses: 5 });
  if (what === "removed") world.store.remove("agent");
  else edit(world, "agent", { revokedAt: world.clock.truth });
  expect((await fetchFrom(directory)).error).toBe("the daemon cannot give these credentials");
  expect(world.store.list()).toEqual(what === "removed" ? [] : ["agent"]);
  await grants.reload();
  expect(grants.list().map(({ state }) => state)).toEqual(what === "removed" ? [] : ["revoked"]);
});

test("a definition that was only touched is counted in as before", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin({ maxUses: 5 });
  edit(world, "agent", {});
  expect((await fetchFrom(directory)).accessKeyId).toBe("ASIA-dev-1");
  expect(world.store.read("agent").uses).toBe(1);
});

test("what was revoked is revoked after a restart, whatever its definition said in between", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  const backup = world.store.read("agent");
  grants.revoke("agent", caller);
  world.store.write(backup, { durable: false });
  await grants.reload();
  await world.stop();
  await world.start();
  expect((await fetchFrom(directory)).error).toBe("this grant was revoked");
});

test("a revocation that could not be kept is written as soon as it can be", async () => {
  await using world = await newGrantWorld();
  const { disk, store } = world.fillableStore();
  const grants = await world.start({ store });
  await grants.add(grantRequest(), caller);
  disk.isReadOnly = true;
  expect(() => grants.revoke("agent", caller)).toThrow("not yet kept");
  await world.clock.advance(16 * SECOND);
  expect(world.store.read("agent").revokedAt).toBeUndefined();
  disk.isReadOnly = false;
  await world.clock.advance(16 * SECOND);
  expect(world.store.read("agent").revokedAt).toBeDefined();
});

const sharedThings = [
  ["directory", "id"],
  ["session", "sessionName"],
] as const;

test.each(sharedThings)("a copy of a definition does not get the %s of a grant that is served", async (_, what) => {
  await using world = await newGrantWorld();
  const grants = await world.start();
  world.configs.write("admin", { AssumeRole: { RoleArn: "arn:aws:iam::111122223333:role/admin" } });
  const { directory } = await grants.add(grantRequest(), caller);
  const copy = {
    ...world.store.read("agent"),
    id: "b".repeat(64),
    sessionName: "another",
    name: "zebra",
    config: "admin",
  };
  world.store.write({ ...copy, [what]: world.store.read("agent")[what] }, { durable: false });
  await grants.reload();
  await world.clock.advance(60 * SECOND);
  expect(grants.list().map(({ name }) => name)).toEqual(["agent"]);
  expect(await fetchFrom(directory)).toMatchObject({ grant: "agent", accessKeyId: "ASIA-dev-1" });
  expect(world.log.filter(({ event }) => event === "grant not served").length).toBeGreaterThan(0);
});

test.each(sharedThings)(
  "of two definitions with one %s none is served by a daemon that knew neither",
  async (_, what) => {
    await using world = await newGrantWorld();
    const { directory } = await world.begin();
    await world.stop();
    const original = world.store.read("agent");
    const copy = { ...original, id: "b".repeat(64), sessionName: "another", name: "abc" };
    world.store.write({ ...copy, [what]: original[what] }, { durable: false });
    const restarted: Grants = await world.start();
    expect(restarted.list()).toEqual([]);
    restarted.remove("abc", caller);
    await settle();
    expect(restarted.list().map(({ name }) => name)).toEqual(["agent"]);
    expect((await fetchFrom(directory)).grant).toBe("agent");
  },
);

test("credentials that outlive an end that was moved forward are not given any more", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin({ ttlSeconds: 8 * 3600 });
  const { endsAt: _, ...rest } = world.store.read("agent");
  const endsAt = world.clock.truth + 20 * MINUTE;
  world.store.write({ ...rest, endsAt }, { durable: false });
  await grants.reload();
  await world.clock.advance(10);
  expect((await fetchFrom(directory)).accessKeyId).toBe("ASIA-dev-2");
  expect(grants.list()[0]!.expiresAt).toBeLessThanOrEqual(endsAt);
});

const leaseOf = (directory: string): string => readFileSync(join(directory, "lease.json"), "utf8");

test("a lease follows its definition and its config, though nobody asks for it", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin({ deliver: "file" });
  expect(leaseOf(directory)).toContain("ASIA-dev-1");
  edit(world, "agent", { policyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"] });
  await grants.reload();
  await world.clock.advance(16 * SECOND);
  expect(leaseOf(directory)).toContain("ASIA-dev-2");
  world.configs.delete("dev");
  await world.clock.advance(32 * SECOND);
  expect(leaseOf(directory)).toContain("the config of this grant no longer exists");
});

test("a held connection of a grant that is read again and revoked by that is closed", async () => {
  await using world = await newGrantWorld();
  const { grants, directory } = await world.begin();
  const held = await connectTo(directory);
  await held.ask();
  edit(world, "agent", { revokedAt: world.clock.truth });
  await grants.reload();
  await held.closed;
});

test.each(["socket", "file"] as const)("a definition holds no name of a directory; %s", async (deliver) => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin({ deliver });
  const name = baseOf(directory);
  expect(readFileSync(join(world.home, "grants", "agent.yaml"), "utf8")).not.toContain(name);
  expect(world.store.read("agent").id).toBe(grantIdOf(name));
  const revision = world.store.revision("agent");
  await world.stop();
  expect((await world.start()).list()).toMatchObject([{ directory }]);
  expect(world.store.revision("agent")).toBe(revision);
});

test("a lease is in its place again after the machine was started again, which empties what is in memory", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin({ deliver: "file" });
  await world.stop();
  rmSync(join(world.home, "leases"), { recursive: true });
  const grants = await world.start();
  expect(grants.list()).toMatchObject([{ directory, state: "active" }]);
  await world.clock.advance(SECOND);
  expect(readFileSync(join(directory, "lease.json"), "utf8")).toContain("AccessKeyId");
  grants.remove("agent", caller);
  expect(existsSync(join(world.home, "g", baseOf(directory)))).toBe(false);
});

test("a grant whose directory is gone gets another one that nobody knows, and its definition is of that", async () => {
  await using world = await newGrantWorld();
  const { directory } = await world.begin();
  await world.stop();
  rmSync(directory, { recursive: true });
  const [found] = (await world.start()).list();
  const name = baseOf(found!.directory);
  expect(isDirectoryName(name)).toBe(true);
  expect(found!.directory).not.toBe(directory);
  expect(world.store.read("agent").id).toBe(grantIdOf(name));
});

test("the mode of what grants' directories are in is mended at a start, and when a grant is added", async () => {
  await using world = await newGrantWorld();
  const parent = join(world.home, "g");
  const first = await world.start();
  const { directory } = await first.add(grantRequest(), caller);
  chmodSync(parent, 0o755);
  await first.add(grantRequest({ name: "other" }), caller);
  expect(statSync(parent).mode & 0o777).toBe(0o311);
  await world.stop();
  chmodSync(parent, 0o755);
  expect((await world.start()).list()).toMatchObject([{ directory }, { name: "other" }]);
  expect(statSync(parent).mode & 0o777).toBe(0o311);
  expect(world.log).toContainEqual(expect.objectContaining({ level: "warn", event: "grants could be listed" }));
});
