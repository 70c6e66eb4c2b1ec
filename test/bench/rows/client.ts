// How long a warm `export` takes, which is answered before Bun starts: against /bin/true, the least client there can be
// and an empty executable of the same runtime; and against keyhole in Bun's own executable, where Bun starts first. And
// `keyhole` alone in the directory of a grant, which is what every SDK in a sandbox runs. What is handed over to Bun is
// `--version`, against the same of Bun's own executable.
import { rmSync } from "node:fs";
import { addGrant, exportCommand, type Machine, startWarmMachine } from "../machines.ts";
import { atMost, ratioTo, type Report, type Row } from "../report.ts";
import { summarize } from "../statistics.ts";
import { type Command, type Spawned, type Tools, writeExecutable } from "../tools.ts";

/** Issue 12. */
const MOST_OF_TRUE = 1;
const MOST_OF_LEAST = 1.15;
const MOST_OF_CROWD = 1.5;

export async function measureClient(tools: Tools): Promise<Report> {
  await using machine = await startWarmMachine();
  const commands = {
    static: exportCommand(tools.keyhole, "first"),
    true: ["/bin/true"],
    empty: [tools.empty],
    dynamic: exportCommand(tools.dynamicKeyhole, "first"),
    staticEmpty: [tools.staticEmpty],
    least: [tools.client, machine.paths.socket, "first"],
    grant: [`${await addGrant(machine, "copied", "first")}/keyhole`],
    alikeGrant: [await addAlikeGrant(tools, machine)],
    version: [tools.keyhole, "--version"],
    dynamicVersion: [tools.dynamicKeyhole, "--version"],
  };
  const measure = async (rounds: number) => {
    const spawned = await tools.spawnShuffled(rounds, Object.values(commands), machine.environment);
    return Object.fromEntries(Object.keys(commands).map((name, index) => [name, spawned[index]!])) as Measured;
  };
  await measure(5);
  const measured = await measure(tools.isQuick ? 60 : 300);
  const crowd = await measureCrowd(tools, machine, commands);
  const answers = Object.entries({
    "warm export": measured.static,
    "warm export, dynamic": measured.dynamic,
    "keyhole in a grant": measured.grant,
    "keyhole in a grant, written alike": measured.alikeGrant,
  });
  return {
    rows: [
      ...rowsOf("wall", "", measured),
      ...rowsOf("cpu", ", CPU time", measured),
      ...memoryRows(measured),
      ...crowd.rows,
    ],
    defects: [
      ...crowd.defects,
      ...answers.flatMap(([who, { failures }]) => (failures === 0 ? [] : [`${who}: ${failures} failed`])),
      ...answers.flatMap(([who, { outputs }]) => (outputs === 1 ? [] : [`${who}: ${outputs} different answers`])),
      // The session's, and one for each grant.
      ...(machine.sts.count("AssumeRole") === 3 ? [] : ["warm export: STS was called again"]),
    ],
  };
}

/** All of them started before any has to have ended, against as many of /bin/true. */
async function measureCrowd(
  { isQuick, spawnTogether }: Tools,
  { environment }: Machine,
  commands: Readonly<Record<"static" | "true", Command>>,
): Promise<Required<Report>> {
  const count = isQuick ? 200 : 1000;
  const times: Record<keyof typeof commands, number[]> = { static: [], true: [] };
  const defects: string[] = [];
  for (let round = 0; round < 5; round += 1) {
    for (const who of ["true", "static"] as const) {
      const began = performance.now();
      const { failures, outputs } = await spawnTogether(count, commands[who], environment);
      times[who].push(performance.now() - began);
      if (failures > 0 || outputs !== 1) defects.push(`crowd: ${failures} failed, ${outputs} different answers`);
    }
  }
  const [ours, nothing] = [summarize(times.static), summarize(times.true)];
  const ratio = ratioTo("/bin/true", ours, nothing);
  const target = atMost(MOST_OF_CROWD, ratio.value);
  return {
    rows: [
      { what: `${count} warm exports at once`, unit: "ms", values: ours, ratio, target },
      { what: `${count} /bin/true at once`, unit: "ms", values: nothing },
    ],
    defects,
  };
}

/** A grant whose executable is written as all the others here are. Returns its path. */
async function addAlikeGrant(tools: Tools, machine: Machine): Promise<string> {
  const path = `${await addGrant(machine, "alike", "first")}/keyhole`;
  rmSync(path);
  writeExecutable(tools.keyhole, path);
  return path;
}

type Measured = Readonly<
  Record<
    | "static"
    | "true"
    | "empty"
    | "dynamic"
    | "staticEmpty"
    | "least"
    | "grant"
    | "alikeGrant"
    | "version"
    | "dynamicVersion",
    Spawned
  >
>;

/** The targets are of the wall clock; CPU time says more on a machine that does other things as well. */
function rowsOf(of: "wall" | "cpu", suffix: string, measured: Measured): Row[] {
  const { static: ours, true: nothing, empty, dynamic, staticEmpty, least, grant, alikeGrant } = measured;
  const { version, dynamicVersion } = measured;
  const against = (to: string, base: Spawned, most?: number): Row => {
    const ratio = ratioTo(to, ours[of], base[of]);
    const target = most !== undefined && of === "wall" && { target: atMost(most, ratio.value) };
    return { what: `warm export${suffix}`, unit: "ms", values: ours[of], ratio, ...target };
  };
  const toEmpty = (what: string, { [of]: values }: Spawned): Row => {
    return { what: `${what}${suffix}`, unit: "ms", values, ratio: ratioTo("empty", values, empty[of]) };
  };
  return [
    against("/bin/true", nothing, MOST_OF_TRUE),
    against("the least client", least, MOST_OF_LEAST),
    against("empty", empty),
    against("dynamic keyhole", dynamic),
    { what: `/bin/true${suffix}`, unit: "ms", values: nothing[of] },
    { what: `empty Bun executable${suffix}`, unit: "ms", values: empty[of] },
    toEmpty("static empty Bun executable", staticEmpty),
    toEmpty("warm export, dynamic keyhole", dynamic),
    toEmpty("least client in C", least),
    toEmpty("keyhole in a grant's directory", grant),
    toEmpty("the same, its file written as the others here", alikeGrant),
    {
      what: `--version, handed over to Bun${suffix}`,
      unit: "ms",
      values: version[of],
      ratio: ratioTo("dynamic keyhole", version[of], dynamicVersion[of]),
    },
  ];
}

function memoryRows({ static: ours, empty, dynamic, grant }: Measured): Row[] {
  const row = (what: string, { rss }: Spawned): Row => {
    return { what: `${what}, peak RSS`, unit: "MiB", values: rss, ratio: ratioTo("empty", rss, empty.rss) };
  };
  return [
    row("warm export", ours),
    row("warm export, dynamic keyhole", dynamic),
    row("keyhole in a grant's directory", grant),
  ];
}
