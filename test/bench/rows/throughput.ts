// How many vends a daemon answers in a second, against a bare Bun.listen that answers with as many bytes.
import { join } from "node:path";
import { answerSize, cpuTimeOf, startWarmMachine, vendRequests } from "../machines.ts";
import { atLeast, once, ratioTo, type Report, type Row } from "../report.ts";
import { summarize } from "../statistics.ts";
import type { Load, LoadShape, Tools } from "../tools.ts";

/** Issue 2, for 16 kept connections. */
const LEAST_OF_ECHO = 0.85;

type Shape = Omit<LoadShape, "milliseconds">;

/** A load, and the CPU time in microseconds that it cost the server. */
type Sample = Load & { readonly cpu: number };

export async function measureThroughput(tools: Tools): Promise<Report> {
  await using machine = await startWarmMachine();
  await using echo = await startEcho(tools, await answerSize(machine, "first"));
  const requests = vendRequests(["first"]);
  const [rounds, milliseconds] = tools.isQuick ? [3, 200] : [7, 400];

  const servers = [
    { who: "keyhole", socket: machine.paths.socket, pid: machine.daemonPid()! },
    { who: "echo", socket: echo.socket, pid: echo.pid },
  ] as const;

  const rows: Row[] = [];
  let failures = 0;
  // Until the optimising compiler has seen both: it takes some hundred milliseconds of load.
  for (const { socket } of servers) {
    await tools.load(socket, requests, { connections: 16, milliseconds: 800, mode: "kept" });
  }
  for (const mode of ["kept", "fresh"] as const) {
    for (const connections of [1, 16, 256]) {
      const samples: Record<"keyhole" | "echo", Sample[]> = { keyhole: [], echo: [] };
      for (let round = 0; round < rounds; round += 1) {
        for (const { who, socket, pid } of servers) {
          const before = cpuTimeOf(pid);
          const load = await tools.load(socket, requests, { connections, mode, milliseconds });
          samples[who].push({ ...load, cpu: cpuTimeOf(pid) - before });
        }
      }
      failures += samples.keyhole.reduce((sum, load) => sum + load.failures, 0);
      rows.push(...rowsOf({ connections, mode }, samples));
    }
  }
  return { rows, defects: failures === 0 ? [] : [`throughput: ${failures} vends failed`] };
}

function rowsOf(shape: Shape, { keyhole, echo }: Readonly<Record<"keyhole" | "echo", Sample[]>>): Row[] {
  const ours = rowOf("keyhole", shape, keyhole);
  const bare = rowOf("echo", shape, echo);
  const ratio = ratioTo("echo", ours.values, bare.values);
  const hasTarget = shape.connections === 16 && shape.mode === "kept";
  const rows = [{ ...ours, ratio, ...(hasTarget && { target: atLeast(LEAST_OF_ECHO, ratio.value) }) }, bare];
  if (!hasTarget) return rows;
  // On a machine that does other things as well, this says more than the rate.
  const cpu = once(cpuOfRequest(keyhole));
  const bareCpu = once(cpuOfRequest(echo));
  return [
    ...rows,
    { what: "keyhole, CPU time of a vend", unit: "µs", values: cpu, ratio: ratioTo("echo", cpu, bareCpu) },
    { what: "echo, CPU time of an answer", unit: "µs", values: bareCpu },
  ];
}

function cpuOfRequest(samples: readonly Sample[]): number {
  const sum = (of: "cpu" | "requests") => samples.reduce((total, sample) => total + sample[of], 0);
  return sum("cpu") / sum("requests");
}

function rowOf(who: string, { connections, mode }: Shape, loads: readonly Load[]): Row {
  const latency = (key: "p50" | "p99") => Math.round(summarize(loads.map((load) => load[key])).median);
  return {
    what: `${who}, ${connections} ${mode}`,
    unit: "req/s",
    values: summarize(loads.map(({ requests, seconds }) => requests / seconds)),
    note: `latency p50 ${latency("p50")} µs, p99 ${latency("p99")} µs`,
  };
}

async function startEcho(tools: Tools, size: number) {
  const socket = join(tools.directory, "echo.sock");
  const child = Bun.spawn([tools.echo, socket, String(size)], { stdout: "pipe", stdin: "ignore" });
  const reader = child.stdout.getReader();
  if ((await reader.read()).done) throw new Error("the echo server ended before it was ready");
  return {
    socket,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}
