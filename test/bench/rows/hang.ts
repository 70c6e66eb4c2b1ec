// A role whose STS call hangs, and the credentials of another that are there: the latter must not notice. Two daemons,
// one with the hang and one without, are asked by turns for as long as it lasts.
import { addSessions, roleArn, startWarmMachine, vendRequests, writeConfigs } from "../machines.ts";
import { atMost, type Report, ratioTo } from "../report.ts";
import { summarize } from "../statistics.ts";
import type { Load, Tools } from "../tools.ts";

/** Milliseconds that the 99th percentile may move; issue 2. */
const MOST_DELAY = 5;

export async function measureHang(tools: Tools): Promise<Report> {
  await using calm = await startWarmMachine();
  await using hanging = await startWarmMachine();
  const requests = vendRequests(["first"]);
  const shape = { connections: 4, mode: "kept", milliseconds: tools.isQuick ? 250 : 500 } as const;
  for (const machine of [calm, hanging]) await tools.load(machine.paths.socket, requests, shape);

  hanging.sts.faults.add({ action: "AssumeRole", roleArn: roleArn("stuck"), hang: true });
  let hangs = true;
  const adding = addSessions(hanging, writeConfigs(hanging, "stuck")).finally(() => (hangs = false));
  await hanging.sts.until(() => hanging.sts.count("AssumeRole") === 2);
  const began = performance.now();
  const loads: { calm: Load; hanging: Load }[] = [];
  while (performance.now() - began < (tools.isQuick ? 3000 : 9500)) {
    const inCalm = await tools.load(calm.paths.socket, requests, shape);
    loads.push({ calm: inCalm, hanging: await tools.load(hanging.paths.socket, requests, shape) });
  }
  const defects = hangs ? [] : ["hang: the call that was to hang has ended"];
  hanging.sts.faults.clear();
  await adding;

  const p99 = (of: keyof (typeof loads)[0]) => summarize(loads.map((load) => load[of].p99 / 1000));
  const delay = p99("hanging").median - p99("calm").median;
  const failures = loads.reduce((sum, load) => sum + load.calm.failures + load.hanging.failures, 0);
  return {
    rows: [
      {
        what: "p99 of warm vends",
        unit: "ms",
        values: p99("calm"),
        note: `worst slice ${p99("calm").max.toFixed(2)} ms`,
      },
      {
        what: "while another role's STS call hangs",
        unit: "ms",
        values: p99("hanging"),
        ratio: ratioTo("without", p99("hanging"), p99("calm")),
        target: atMost(MOST_DELAY, delay, " ms more"),
        note: `${delay.toFixed(3)} ms more; worst slice ${p99("hanging").max.toFixed(2)} ms`,
      },
    ],
    defects: failures === 0 ? defects : [...defects, `hang: ${failures} vends failed`],
  };
}
