// Many clients at once for a config that has no session: one AssumeRole, and nobody fails.
import { exportCommand, startMachine, writeConfigs } from "../machines.ts";
import { atMost, once, type Report } from "../report.ts";
import type { Tools } from "../tools.ts";

export async function measureCold({ isQuick, keyhole, spawnTogether }: Tools): Promise<Report> {
  await using machine = await startMachine();
  writeConfigs(machine, "cold");
  const count = isQuick ? 200 : 1000;
  const clients = await spawnTogether(count, exportCommand(keyhole, "cold"), machine.environment);
  const calls = machine.sts.count("AssumeRole");
  return {
    rows: [
      { what: `${count} clients at once, until one has its answer`, unit: "ms", values: clients.wall },
      {
        what: "until all have",
        unit: "ms",
        values: once(clients.wall.max),
        note: `${(clients.wall.max / count).toFixed(2)} ms for each`,
      },
      { what: "AssumeRole", unit: "calls", values: once(calls), target: { text: "= 1", isMet: calls === 1 } },
      { what: "failures", unit: "clients", values: once(clients.failures), target: atMost(0, clients.failures) },
    ],
    defects: [
      ...(calls === 1 ? [] : [`cold: ${calls} AssumeRole instead of 1`]),
      ...(clients.failures === 0 ? [] : [`cold: ${clients.failures} clients failed: ${clients.stderr.slice(0, 500)}`]),
      ...(clients.outputs === 1 ? [] : [`cold: ${clients.outputs} different answers`]),
    ],
  };
}
