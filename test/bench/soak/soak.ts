// A daemon under bounded load for half an hour, and what became of it (issue 3): memory that stays flat, no error, and
// nothing left behind. The load takes about a fifth of a core, the daemon's share included.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Connection } from "../../../src/client/connection.ts";
import type { DaemonStatus } from "../../../src/wire/messages.ts";
import { createMachine, executable, isAlive, until } from "../../e2e/machine.ts";
import { addSessions, numbered } from "../machines.ts";
import { atMost, once, type Report, type Row } from "../report.ts";
import { summarize } from "../statistics.ts";
import { writeExecutable } from "../tools.ts";
import {
  type Client,
  credentialDefectOf,
  defectOf,
  fail,
  newTally,
  openClient,
  type Tally,
  within,
} from "./clients.ts";
import { events, frameOf, lifetimeOf, PASSING, type World, writeConfig } from "./events.ts";
import { observe, type Sample } from "./samples.ts";
import { judgeMemory, judgePeak, judgeRest, renderSamples } from "./verdict.ts";

const SESSIONS = 64;
/** 16 connections asked every 10 ms, and one fresh connection as well: 1,700 vends a second. */
const CONNECTIONS = 16;
const TICK = 10;
const SAMPLE_INTERVAL = 10_000;
/** Minutes below which nothing is said of trends: code is still being compiled, and not everything has happened. */
const LEAST_TREND = 10;

export interface Soaked extends Report {
  readonly samples: readonly Sample[];
}

export async function soak(directory: string, minutes: number): Promise<Soaked> {
  const program = join(directory, "keyhole");
  writeExecutable(executable, program);
  // Nothing below 80 s is asked for.
  await using machine = await createMachine({ minDuration: 60 });
  const most = String(SESSIONS + PASSING);
  await machine.keyhole("daemon start", { program, env: { KEYHOLE_MAX_DAEMON_CACHE_SIZE: most } });
  const names = numbered("role", SESSIONS);
  mkdirSync(machine.paths.configs, { recursive: true, mode: 0o700 });
  for (const [index, name] of names.entries()) writeConfig(machine, name, lifetimeOf(index));
  await addSessions(machine, names);
  const world: World = { machine, program, pid: machine.daemonPid()!, names };

  const before = observe(machine, world.pid);
  const tally = newTally();
  const samples = await load(world, tally, minutes);
  await within(
    until(async () => (await statusOf(world)).connections === 1),
    "the end of all connections",
  );
  const after = observe(machine, world.pid);
  const status = await statusOf(world);
  await machine.keyhole("daemon stop", { program });
  if (isAlive(world.pid)) fail(tally, "the daemon lives on after daemon stop");

  const failures = [...tally.failures].map(([what, count]) => `soak: ${count} x ${what}`);
  const count = [...tally.failures.values()].reduce((sum, value) => sum + value, 0);
  const trends = [
    ...judgeMemory(samples, "resident"),
    ...judgeMemory(samples, "anonymous"),
    ...judgeMemory(samples, "childResident"),
    judgePeak(samples, "threads", 2),
    judgePeak(samples, "files", 0),
  ];
  const rows: Row[] = [
    ...(minutes >= LEAST_TREND ? trends : []),
    judgeRest("descriptors", before.descriptors, after.descriptors),
    judgeRest("children", before.children, after.children),
    { what: "failures", unit: "", values: once(count), target: atMost(0, count) },
    ...status.counters.map(({ name, value }) => ({ what: name, unit: "", values: once(value) })),
  ];
  console.log(renderSamples(samples, 20));
  const missed = rows
    .filter(({ target }) => target?.isMet === false)
    .map(({ what }) => `soak: ${what} is over its limit`);
  return { rows, samples, defects: [...failures, ...missed] };
}

/** Everything at once, for so long. Returns the samples. */
async function load(world: World, tally: Tally, minutes: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const began = performance.now();
  const end = began + minutes * 60_000;
  const isOver = () => performance.now() >= end;
  const every = async (milliseconds: number, what: string, run: (turn: number) => Promise<void>): Promise<void> => {
    for (let turn = 0; ; turn += 1) {
      const next = began + (turn + 1) * milliseconds;
      await Bun.sleep(Math.max(0, Math.min(next, end) - performance.now()));
      if (isOver()) return;
      try {
        await run(turn);
      } catch (error) {
        fail(tally, `${what}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  await Promise.all([
    steady(world, tally, isOver),
    every(TICK, "fresh connection", (turn) => vendFresh(world, tally, turn)),
    every(SAMPLE_INTERVAL, "sample", async () => {
      const sample = await take(world, tally, (performance.now() - began) / 60_000);
      samples.push(sample);
      console.error(JSON.stringify({ ...sample, why: [...tally.failures] }));
    }),
    ...events.map(({ what, everySeconds, run }) => every(everySeconds * 1000, what, (turn) => run(world, turn))),
  ]);
  return samples;
}

/** Connections that are kept for the whole time, each with one request under way at most. */
async function steady({ machine, names }: World, tally: Tally, isOver: () => boolean): Promise<void> {
  const one = async (client: Client, index: number): Promise<void> => {
    for (let turn = index; !isOver(); turn += 7) {
      const asked = performance.now();
      try {
        const [answer] = await within(client.ask(frameOf(names, turn), 1), "vend");
        const defect = defectOf(answer!);
        if (defect !== undefined) fail(tally, `vend: ${defect}`);
      } catch (error) {
        fail(tally, `vend: ${String(error)}`);
        return;
      }
      tally.latencies.push(performance.now() - asked);
      tally.answers += 1;
      await Bun.sleep(Math.max(0, TICK - (performance.now() - asked)));
    }
    client.close();
  };
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => openClient(machine.paths.socket)));
  await Promise.all(clients.map(one));
}

async function vendFresh({ machine, names }: World, tally: Tally, turn: number): Promise<void> {
  const asked = performance.now();
  const client = await openClient(machine.paths.socket);
  const [answer] = await within(client.ask(frameOf(names, turn), 1), "vend");
  client.close();
  tally.latencies.push(performance.now() - asked);
  tally.answers += 1;
  const name = names[turn % names.length]!;
  const defect = credentialDefectOf(answer!, name, (key) => machine.sts.issued.has(key));
  if (defect !== undefined) throw new Error(defect);
}

async function take(world: World, tally: Tally, minutes: number): Promise<Sample> {
  const { answers, latencies } = tally;
  tally.answers = 0;
  tally.latencies = [];
  const { connections } = await statusOf(world);
  return {
    minutes,
    ...observe(world.machine, world.pid),
    connections,
    answers,
    p99: latencies.length === 0 ? 0 : summarize(latencies).p99,
    failures: [...tally.failures.values()].reduce((sum, count) => sum + count, 0),
    stsCalls: world.machine.sts.calls.length,
  };
}

async function statusOf({ machine }: World): Promise<DaemonStatus> {
  const connection = await Connection.open(machine.paths.socket, { timeoutMs: 20_000 });
  const status = await connection.request("Status", {});
  connection.close();
  return status;
}
