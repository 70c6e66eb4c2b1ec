// How long a warm `export` takes, against an empty executable of the same runtime and the least client there can be.
import { exportCommand, startWarmMachine } from "../machines.ts";
import { atMost, ratioTo, type Report } from "../report.ts";
import type { Tools } from "../tools.ts";

/** Issue 2. */
const MOST_OF_EMPTY = 1.15;

export async function measureClient({ client, empty, isQuick, keyhole, spawnRounds }: Tools): Promise<Report> {
  await using machine = await startWarmMachine();
  const commands = [exportCommand(keyhole, "first"), [empty], [client, machine.paths.socket, "first"]];
  await spawnRounds(5, commands, machine.environment);
  const spawned = await spawnRounds(isQuick ? 60 : 300, commands, machine.environment);
  const [ours, bare, least] = spawned as [(typeof spawned)[0], (typeof spawned)[0], (typeof spawned)[0]];
  const ratio = ratioTo("empty", ours.wall, bare.wall);
  return {
    rows: [
      {
        what: "warm export",
        unit: "ms",
        values: ours.wall,
        ratio,
        target: atMost(MOST_OF_EMPTY, ratio.value),
      },
      { what: "empty Bun executable", unit: "ms", values: bare.wall },
      { what: "least client in C", unit: "ms", values: least.wall, ratio: ratioTo("empty", least.wall, bare.wall) },
      {
        what: "warm export, CPU time",
        unit: "ms",
        values: ours.cpu,
        ratio: ratioTo("empty", ours.cpu, bare.cpu),
      },
      { what: "empty, CPU time", unit: "ms", values: bare.cpu },
      {
        what: "warm export, peak RSS",
        unit: "MiB",
        values: ours.rss,
        ratio: ratioTo("empty", ours.rss, bare.rss),
      },
    ],
    defects: [
      ...(spawned.some(({ failures }) => failures > 0) ? [`warm export: ${ours.failures} failed`] : []),
      ...(ours.outputs === 1 ? [] : [`warm export: ${ours.outputs} different answers`]),
      ...(machine.sts.count("AssumeRole") === 1 ? [] : ["warm export: STS was called again"]),
    ],
  };
}
