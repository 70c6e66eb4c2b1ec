import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WitnessedPeer } from "../../../src/server/peers.ts";
import { loadStartOf } from "../../../src/server/starts.ts";
import { until } from "../../processes.ts";
import { settle } from "../fakes/clock.ts";
import { caller, connectTo, fetchFrom, grantRequest, newGrantWorld } from "../fakes/grants.ts";
import { errorOf } from "../fakes/world.ts";

const PID = caller.pid!;

async function newRun() {
  const world = await newGrantWorld();
  world.processes.set(PID, "boot/1");
  const grants = await world.start();
  const { directory } = await grants.run(grantRequest(), caller);
  return { world, grants, directory, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

test("a grant of a run ends with its process: within a second, its directory, definition and connections", async () => {
  await using run = await newRun();
  const { world, grants, directory } = run;
  const holder = await connectTo(directory);
  expect((await fetchFrom(directory)).grant).toBe("agent");
  await world.clock.advance(5000);
  expect(grants.list()[0]!.notes).toEqual([`it ends with the keyhole run of pid ${PID}`]);
  world.processes.delete(PID);
  await world.clock.advance(1000);
  expect([grants.list(), world.store.list(), existsSync(directory)]).toEqual([[], [], false]);
  expect((await errorOf(holder.ask())).message).toBe("the connection was closed");
  expect(world.eventsOf("remove")).toMatchObject([{ transport: "daemon", note: "its keyhole run has ended" }]);
});

test("a pid that went to another process is not taken for the one that asked", async () => {
  await using run = await newRun();
  run.world.processes.set(PID, "boot/2");
  await run.world.clock.advance(1000);
  expect(run.grants.list()).toEqual([]);
});

test("a grant of a run goes on over a restart of the daemon, and ends after it with its process", async () => {
  await using run = await newRun();
  const { world, directory } = run;
  await world.stop();
  const grants = await world.start();
  expect((await fetchFrom(directory)).grant).toBe("agent");
  world.processes.delete(PID);
  await world.clock.advance(1000);
  expect([grants.list(), existsSync(directory)]).toEqual([[], false]);
});

test.each(["socket", "file"] as const)(
  "a %s of a run that ended while no daemon ran is never served",
  async (deliver) => {
    await using world = await newGrantWorld();
    world.processes.set(PID, "boot/1");
    const { directory } = await (await world.start()).run(grantRequest({ deliver }), caller);
    await world.stop();
    world.processes.delete(PID);
    const grants = await world.start();
    expect([grants.list(), world.store.list(), existsSync(directory)]).toEqual([[], [], false]);
    for (const parent of ["g", "leases"].filter((name) => existsSync(join(world.home, name))))
      expect(readdirSync(join(world.home, parent))).toEqual([]);
    expect(world.source.count).toBe(1);
  },
);

test("what its definition says of its process is not taken from who changes it", async () => {
  await using run = await newRun();
  const { world, grants } = run;
  const path = join(world.home, "grants", "agent.yaml");
  writeFileSync(path, readFileSync(path, "utf8").replace(/^runner:\n(?: .*\n)+/m, ""));
  await grants.reload();
  expect(readFileSync(path, "utf8")).toContain("started: boot/1");
  world.processes.delete(PID);
  await world.clock.advance(1000);
  expect(grants.list()).toEqual([]);
});

test("a process that ends while its grant is made leaves none", async () => {
  await using world = await newGrantWorld();
  world.processes.set(PID, "boot/1");
  const grants = await world.start();
  const made = grants.run(grantRequest(), caller);
  world.processes.delete(PID);
  await made;
  expect(grants.list()).toEqual([]);
});

test("a process that the daemon cannot see, or that has ended, gets no grant; one that it cannot look at keeps its own", async () => {
  await using run = await newRun();
  const { world } = run;
  const witness: WitnessedPeer["witness"] = { executable: undefined, parent: () => undefined, hasEnded: () => true };
  let isBlind = false;
  const startOf = (pid: number) => {
    if (isBlind) throw new Error("EMFILE");
    return world.processes.get(pid);
  };
  await world.stop();
  const grants = await world.start({ startOf });
  for (const asking of [
    { ...caller, pid: 0 },
    { ...caller, pid: undefined },
    { ...caller, pid: 78 },
    { ...caller, witness },
  ])
    expect((await errorOf(grants.run(grantRequest({ name: "other" }), asking))).kind).toBe("forbidden");
  isBlind = true;
  await world.clock.advance(2000);
  await settle();
  expect(grants.list().map(({ name }) => name)).toEqual(["agent"]);
  expect((await errorOf(grants.run(grantRequest({ name: "other" }), caller))).kind).toBe("forbidden");
});

test("a process is known by its start, a zombie has ended, and what does not exist has none", async () => {
  const startOf = loadStartOf();
  expect(startOf(process.pid)).toMatch(/^[0-9a-f-]{36}\/\d+$/);
  expect(startOf(process.pid)).toBe(startOf(process.pid));
  const parent = Bun.spawn(["sh", "-c", "true & echo $!; exec sleep 60"], { stdout: "pipe" });
  const { value } = await parent.stdout.getReader().read();
  await until(() => startOf(Number(new TextDecoder().decode(value))) === undefined);
  parent.kill("SIGKILL");
  await parent.exited;
  expect(startOf(parent.pid)).toBeUndefined();
});
