// Many clients at once for a config that has no session: one AssumeRole, and nobody fails. Once as connections, which
// are really there at the same time, and once as processes, of which a machine runs as many as it has processors.
import { Connection } from "../../../src/client/connection.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { exportCommand, type Machine, sourceVariables, startMachine, writeConfigs } from "../machines.ts";
import { atMost, once, type Report, type Row } from "../report.ts";
import { summarize } from "../statistics.ts";
import type { Tools } from "../tools.ts";

/** What became of the clients. */
interface Burst {
  readonly who: string;
  readonly failures: readonly string[];
  readonly answers: number;
  readonly calls: number;
  readonly rows: readonly Row[];
}

export async function measureCold(tools: Tools): Promise<Report> {
  const bursts = [
    await connectTogether("connections", tools.isQuick ? 300 : 1000),
    await spawnTogether(tools, "processes", tools.isQuick ? 100 : 1000),
  ];
  return {
    rows: bursts.flatMap(({ who, rows, calls, failures }) => [
      ...rows,
      { what: `AssumeRole, ${who}`, unit: "calls", values: once(calls), target: { text: "= 1", isMet: calls === 1 } },
      { what: `failures, ${who}`, unit: "clients", values: once(failures.length), target: atMost(0, failures.length) },
    ]),
    defects: bursts.flatMap(({ who, calls, failures, answers }) => [
      ...(calls === 1 ? [] : [`cold ${who}: ${calls} AssumeRole instead of 1`]),
      ...(failures.length === 0 ? [] : [`cold ${who}: ${failures.length} failed: ${failures[0]}`]),
      ...(answers === 1 ? [] : [`cold ${who}: ${answers} different answers`]),
    ]),
  };
}

async function connectTogether(who: string, count: number): Promise<Burst> {
  await using machine = await startMachine();
  writeConfigs(machine, "cold");
  const began = performance.now();
  const clients = Array.from({ length: count }, async () => {
    const line = await vendCold(machine, "cold");
    return { line, milliseconds: performance.now() - began };
  });
  const settled = await Promise.allSettled(clients);
  const done = settled.filter((one) => one.status === "fulfilled").map(({ value }) => value);
  const failures = settled.filter((one) => one.status === "rejected").map(({ reason }) => String(reason));
  const times = summarize(done.map(({ milliseconds }) => milliseconds));
  return {
    who,

    failures,
    answers: new Set(done.map(({ line }) => line)).size,
    calls: machine.sts.count("AssumeRole"),
    rows: [
      { what: `answer for one of ${count} ${who} at once`, unit: "ms", values: times },
      { what: "answers for all", unit: "ms", values: once(times.max) },
    ],
  };
}

/** As `keyhole export` does it. */
async function vendCold(machine: Machine, config: string): Promise<string> {
  const connection = await Connection.open(machine.paths.socket, { timeoutMs: 20_000 });
  const ask = async () => Buffer.from((await connection.request("Vend", { config })).line).toString();
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof KeyholeError) || error.kind !== "no-such-session") throw error;
    const environment = sourceVariables(machine);
    await connection.request("Add", { config, environment, verify: true, renew: false });
    return await ask();
  } finally {
    connection.close();
  }
}

async function spawnTogether(tools: Tools, who: string, count: number): Promise<Burst> {
  await using machine = await startMachine();
  writeConfigs(machine, "cold");
  const began = performance.now();
  const clients = await tools.spawnTogether(count, exportCommand(tools.keyhole, "cold"), machine.environment);
  const all = performance.now() - began;
  return {
    who,

    failures: Array.from({ length: clients.failures }, () => clients.stderr.slice(0, 500)),
    answers: clients.outputs,
    calls: machine.sts.count("AssumeRole"),
    rows: [
      { what: `answer for one of ${count} ${who} at once`, unit: "ms", values: clients.wall },
      { what: "answers for all", unit: "ms", values: once(all), note: `${(all / count).toFixed(2)} ms for each` },
    ],
  };
}
