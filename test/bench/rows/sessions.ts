// What many sessions cost: memory with 1, 64 and 10,000 of them, and the time to vend one of 10 and one of 10,000.
import { addSessions, type Machine, numbered, startMachine, vendRequests, writeConfigs } from "../machines.ts";
import { memoryRows, REST } from "../memory.ts";
import { atMost, ratioTo, type Report, type Row } from "../report.ts";
import { summarize } from "../statistics.ts";
import type { Load, Tools } from "../tools.ts";

/** MiB with 64 sessions; issue 2 does not say when: as they are added, under load, and at rest are all shown. */
const MOST_MEMORY = 64;
/** Issue 12. */
const MOST_OF_FEW = 1.3;

export async function measureSessions(tools: Tools): Promise<Report> {
  const many = tools.isQuick ? 1000 : 10_000;
  await using small = await startMachine({ KEYHOLE_MAX_DAEMON_CACHE_SIZE: String(many) });
  await using large = await startMachine({ KEYHOLE_MAX_DAEMON_CACHE_SIZE: String(many) });

  const names = writeConfigs(large, ...numbered("role", many));
  const memory: Row[] = [];
  for (const count of [1, 64, many]) {
    const wanted = names.slice(0, count);
    const began = performance.now();
    await addSessions(large, wanted);
    const seconds = (performance.now() - began) / 1000;
    const limit = count === 64 ? MOST_MEMORY : undefined;
    const rows = (when: string, note: string) => memoryRows(large, `${count} sessions${when}`, note, limit);
    memory.push(...rows("", `just added, in ${seconds.toFixed(1)} s`));
    const { requests } = await ask(tools, large, wanted);
    memory.push(...rows(", just vended", `${requests} vends in 0.4 s`));
    if (tools.isQuick) continue;
    await Bun.sleep(REST);
    memory.push(...rows(", at rest", `${REST / 1000} s later`));
  }

  const few = writeConfigs(small, ...numbered("role", 10));
  await addSessions(small, few);
  const loads: { few: Load; many: Load }[] = [];
  // As many vends for both before anything counts; the first of every session makes its answer.
  for (const [machine, asked] of [
    [small, few],
    [large, names],
  ] as const)
    await ask(tools, machine, asked);
  for (let round = 0; round < (tools.isQuick ? 5 : 15); round += 1) {
    const inFew = await ask(tools, small, few);
    loads.push({ few: inFew, many: await ask(tools, large, names) });
  }
  const ofFew = summarize(loads.map(({ few: load }) => load.p50));
  const ofMany = summarize(loads.map(({ many: load }) => load.p50));
  const failures = loads.reduce((sum, load) => sum + load.few.failures + load.many.failures, 0);
  const calls = large.sts.count("AssumeRole");
  const ratio = ratioTo("10", ofMany, ofFew);
  return {
    rows: [
      ...memory,
      { what: "vend of one of 10", unit: "µs", values: ofFew },
      {
        what: `vend of one of ${many}`,
        unit: "µs",
        values: ofMany,
        ratio,
        target: atMost(MOST_OF_FEW, ratio.value),
        note: "median latency, 16 connections",
      },
    ],
    defects: [
      ...(failures === 0 ? [] : [`sessions: ${failures} vends failed`]),
      ...(calls === many ? [] : [`sessions: ${calls} AssumeRole for ${many} sessions`]),
    ],
  };
}

function ask(tools: Tools, machine: Machine, names: readonly string[]): Promise<Load> {
  return tools.load(machine.paths.socket, vendRequests(names), { connections: 16, mode: "kept", milliseconds: 400 });
}
