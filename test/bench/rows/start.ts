// How long `daemon start` takes until the daemon is ready, and the first `export` of a config after it; and how long an
// `export` takes that finds no daemon and starts it.
import { exportCommand, startMachine, writeConfigs } from "../machines.ts";
import { atMost, ratioTo, type Report } from "../report.ts";
import { summarize } from "../statistics.ts";
import type { Spawned, Tools } from "../tools.ts";

/** Issue 12. */
const MOST_OF_EMPTY = 4;

export async function measureStart({ empty, isQuick, keyhole, spawnRounds }: Tools): Promise<Report> {
  await using machine = await startMachine();
  writeConfigs(machine, "first");
  const samples: Record<"empty" | "start" | "cold" | "warm" | "starting", Spawned>[] = [];
  // The first round only brings everything into memory.
  for (let round = 0; round < (isQuick ? 5 : 20); round += 1) {
    await machine.keyhole("daemon stop");
    const measured = await spawnRounds(
      1,
      [[empty], [keyhole, "daemon", "start"], exportCommand(keyhole, "first"), exportCommand(keyhole, "first")],
      machine.environment,
    );
    const [bare, start, cold, warm] = measured as [Spawned, Spawned, Spawned, Spawned];
    await machine.keyhole("daemon stop");
    const [starting] = await spawnRounds(1, [exportCommand(keyhole, "first")], machine.environment);
    if (round > 0) samples.push({ empty: bare, start, cold, warm, starting: starting! });
  }
  const wall = (of: keyof (typeof samples)[0]) => summarize(samples.map((sample) => sample[of].wall.median));
  const base = wall("empty");
  const start = ratioTo("empty", wall("start"), base);
  const failed = samples.some((sample) => Object.values(sample).some(({ failures }) => failures > 0));
  return {
    rows: [
      { what: "empty Bun executable", unit: "ms", values: base },
      {
        what: "daemon start",
        unit: "ms",
        values: wall("start"),
        ratio: start,
        target: atMost(MOST_OF_EMPTY, start.value),
      },
      {
        what: "first export of a config, with its STS call",
        unit: "ms",
        values: wall("cold"),
        ratio: ratioTo("empty", wall("cold"), base),
      },
      { what: "the next", unit: "ms", values: wall("warm"), ratio: ratioTo("empty", wall("warm"), base) },
      {
        what: "first export, which starts the daemon as well",
        unit: "ms",
        values: wall("starting"),
        ratio: ratioTo("the next", wall("starting"), wall("warm")),
      },
    ],
    defects: failed ? ["start: a command failed"] : [],
  };
}
