// How long a warm `export` takes: against an empty executable of the same runtime, as Bun makes it and linked as keyhole
// is, against keyhole in Bun's own executable, and against the least client there can be. And `keyhole` alone in the
// directory of a grant, which is what every SDK in a sandbox runs.
import { rmSync } from "node:fs";
import { addGrant, exportCommand, type Machine, startWarmMachine } from "../machines.ts";
import { atMost, ratioTo, type Report, type Row } from "../report.ts";
import { type Spawned, type Tools, writeExecutable } from "../tools.ts";

/** Issue 2, against an empty executable as Bun makes it. */
const MOST_OF_EMPTY = 1.15;
/** Issue 3, against the same from the dynamic file. */
const MOST_OF_DYNAMIC = 0.95;

export async function measureClient(tools: Tools): Promise<Report> {
  await using machine = await startWarmMachine();
  const commands = {
    static: exportCommand(tools.keyhole, "first"),
    empty: [tools.empty],
    dynamic: exportCommand(tools.dynamicKeyhole, "first"),
    staticEmpty: [tools.staticEmpty],
    least: [tools.client, machine.paths.socket, "first"],
    grant: [`${await addGrant(machine, "copied", "first")}/keyhole`],
    alikeGrant: [await addAlikeGrant(tools, machine)],
  };
  const measure = async (rounds: number) => {
    const spawned = await tools.spawnRounds(rounds, Object.values(commands), machine.environment);
    return Object.fromEntries(Object.keys(commands).map((name, index) => [name, spawned[index]!])) as Measured;
  };
  await measure(5);
  const measured = await measure(tools.isQuick ? 60 : 300);
  const answers = Object.entries({
    "warm export": measured.static,
    "warm export, dynamic": measured.dynamic,
    "keyhole in a grant": measured.grant,
    "keyhole in a grant, written alike": measured.alikeGrant,
  });
  return {
    rows: [...rowsOf("wall", "", measured), ...rowsOf("cpu", ", CPU time", measured), ...memoryRows(measured)],
    defects: [
      ...answers.flatMap(([who, { failures }]) => (failures === 0 ? [] : [`${who}: ${failures} failed`])),
      ...answers.flatMap(([who, { outputs }]) => (outputs === 1 ? [] : [`${who}: ${outputs} different answers`])),
      // The session's, and one for each grant.
      ...(machine.sts.count("AssumeRole") === 3 ? [] : ["warm export: STS was called again"]),
    ],
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
  Record<"static" | "empty" | "dynamic" | "staticEmpty" | "least" | "grant" | "alikeGrant", Spawned>
>;

/** The targets are of the wall clock; CPU time says more on a machine that does other things as well. */
function rowsOf(of: "wall" | "cpu", suffix: string, measured: Measured): Row[] {
  const { static: ours, empty, dynamic, staticEmpty, least, grant, alikeGrant } = measured;
  const against = (to: string, base: Spawned, most?: number): Row => {
    const ratio = ratioTo(to, ours[of], base[of]);
    const target = most !== undefined && of === "wall" && { target: atMost(most, ratio.value) };
    return { what: `warm export${suffix}`, unit: "ms", values: ours[of], ratio, ...target };
  };
  const toEmpty = (what: string, { [of]: values }: Spawned): Row => {
    return { what: `${what}${suffix}`, unit: "ms", values, ratio: ratioTo("empty", values, empty[of]) };
  };
  return [
    against("empty", empty, MOST_OF_EMPTY),
    against("dynamic keyhole", dynamic, MOST_OF_DYNAMIC),
    against("static empty", staticEmpty),
    { what: `empty Bun executable${suffix}`, unit: "ms", values: empty[of] },
    toEmpty("static empty Bun executable", staticEmpty),
    toEmpty("warm export, dynamic keyhole", dynamic),
    toEmpty("least client in C", least),
    toEmpty("keyhole in a grant's directory", grant),
    toEmpty("the same, its file written as the others here", alikeGrant),
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
