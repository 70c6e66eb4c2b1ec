// The life of a grant: how long adding one takes, with each executable in its directory and without; how soon revoking
// one is felt by whoever holds a connection; and what 64 of them keep in the daemon's memory.
import { lstatSync, readdirSync } from "node:fs";
import { Connection } from "../../../src/client/connection.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { addGrant, type Machine, numbered, startMachine, startWarmMachine, writeConfigs } from "../machines.ts";
import { memoryRows, REST } from "../memory.ts";
import { atMost, once, ratioTo, type Report, type Row } from "../report.ts";
import { summarize } from "../statistics.ts";
import type { Tools } from "../tools.ts";

/** Milliseconds, without STS's (src/DESIGN.md#grants). */
const LONGEST_ADDING = 25;
/** So many are made, in so many seconds, and take so many megabytes of the disk (issue 12). */
const MANY = { grants: 1000, seconds: 30, megabytes: 100 };
/** Milliseconds until a revocation is felt (src/DESIGN.md#grants). */
const LONGEST_REVOCATION = 100;

export async function measureGrants(tools: Tools): Promise<Report> {
  const measures = [measureAdding, measureRevoking, measureMemory, measureMany];
  const parts: Report[] = [];
  for (const measure of measures) parts.push(await measure(tools));
  return { rows: parts.flatMap(({ rows }) => rows), defects: parts.flatMap(({ defects = [] }) => defects) };
}

async function measureAdding({ isQuick, empty, keyhole, spawnRounds }: Tools): Promise<Report> {
  await using machine = await startWarmMachine();
  const add = (name: string, ...words: string[]) => [keyhole, "grant", "add", name, "--config", "first", ...words];
  const remove = (name: string) => [keyhole, "grant", "remove", name, "--yes"];
  // The full one last, and removed at once: nobody else's write then waits for its 100 MB.
  const kinds = ["none", "small", "full"].flatMap((kind) => [add(kind, "--executable", kind), remove(kind)]);
  // What the second of these takes longer than the first is STS's time.
  const asking = [
    [keyhole, "daemon", "list"],
    [keyhole, "daemon", "add", "--force", "-n", "first"],
  ];
  const commands = [[empty], ...asking, ...kinds];
  await spawnRounds(2, commands, machine.environment);
  const measured = await spawnRounds(isQuick ? 5 : 20, commands, machine.environment);
  const [bare, listed, renewed, without, , small, removed, full] = measured;
  const row = (what: string, { wall }: typeof bare & {}): Row => {
    return { what, unit: "ms", values: wall, ratio: ratioTo("empty", wall, bare!.wall) };
  };
  const sts = renewed!.wall.median - listed!.wall.median;
  const failures = measured.reduce((sum, spawned) => sum + spawned.failures, 0);
  return {
    rows: [
      { what: "empty Bun executable", unit: "ms", values: bare!.wall },
      {
        ...row("grant add, with its STS call", small!),
        target: atMost(LONGEST_ADDING, small!.wall.median - sts, " ms"),
        note: `${sts.toFixed(1)} ms of it are STS's, which the target leaves out`,
      },
      row("grant add --executable full", full!),
      row("grant add --executable none", without!),
      row("grant remove", removed!),
    ],
    defects: failures === 0 ? [] : [`grants: ${failures} commands failed: ${small!.stderr.slice(0, 300)}`],
  };
}

async function measureRevoking({ isQuick }: Tools): Promise<Report> {
  await using machine = await startWarmMachine();
  const byCommand: number[] = [];
  const byMessage: number[] = [];
  for (const name of numbered("held", isQuick ? 4 : 20)) {
    const isCommand = byCommand.length === byMessage.length;
    const times = isCommand ? byCommand : byMessage;
    const revoke = isCommand ? () => machine.keyhole(`grant revoke ${name}`) : () => sendRevocation(machine, name);
    times.push(await timeRevocation(machine, name, revoke));
  }
  const command = summarize(byCommand);
  return {
    rows: [
      {
        what: "grant revoke until a held connection is refused",
        unit: "ms",
        values: command,
        target: atMost(LONGEST_REVOCATION, command.max, " ms"),
        note: "the start of the command included",
      },
      { what: "the same from the message on", unit: "ms", values: summarize(byMessage) },
    ],
  };
}

/** Milliseconds from `revoke` until a connection that asks again and again gets no credentials any more. */
async function timeRevocation(machine: Machine, name: string, revoke: () => Promise<unknown>): Promise<number> {
  const directory = await addGrant(machine, name, "first", "--no-executable");
  const held = await Connection.open(`${directory}/sock`, { timeoutMs: 20_000 });
  await held.request("Fetch", {});
  const began = performance.now();
  const revoked = revoke();
  const refused = await untilRefused(held);
  await revoked;
  held.close();
  return refused - began;
}

async function untilRefused(held: Connection): Promise<number> {
  try {
    for (;;) await held.request("Fetch", {});
  } catch (error) {
    const refused = performance.now();
    // A held connection is closed; one that asks in that moment may be told why before.
    if (error instanceof KeyholeError && (error.kind === "revoked" || error.kind === "unreachable")) return refused;
    throw error;
  }
}

async function sendRevocation(machine: Machine, name: string): Promise<void> {
  const connection = await Connection.open(machine.paths.socket, { timeoutMs: 20_000 });
  await connection.request("GrantRevoke", { name });
  connection.close();
}

async function measureMemory({ isQuick }: Tools): Promise<Report> {
  await using machine = await startMachine();
  writeConfigs(machine, "first");
  const rows = memoryRows(machine, "0 grants", "just started");
  const { directories, seconds } = await addMany(machine, 64);
  rows.push(...memoryRows(machine, "64 grants", `just added, in ${seconds.toFixed(1)} s`));
  const keys = new Set<string>();
  for (const directory of directories) keys.add(await fetchKey(directory));
  rows.push(...memoryRows(machine, "64 grants, each asked once", ""));
  if (!isQuick) {
    await Bun.sleep(REST);
    rows.push(...memoryRows(machine, "64 grants, at rest", `${REST / 1000} s later`));
  }
  const calls = machine.sts.count("AssumeRole");
  return {
    rows: [...rows, { what: "AssumeRole for 64 grants", unit: "calls", values: once(calls) }],
    defects: keys.size === 64 && calls === 64 ? [] : [`grants: ${keys.size} keys, ${calls} AssumeRole for 64 grants`],
  };
}

/** By four clients at once. */
async function addMany(machine: Machine, count: number): Promise<{ directories: string[]; seconds: number }> {
  const names = numbered("agent", count).values();
  const directories: string[] = [];
  const began = performance.now();
  const add = async () => {
    for (const name of names) directories.push(await addGrant(machine, name, "first"));
  };
  await Promise.all([add(), add(), add(), add()]);
  return { directories, seconds: (performance.now() - began) / 1000 };
}

async function measureMany({ isQuick }: Tools): Promise<Report> {
  await using machine = await startMachine();
  writeConfigs(machine, "first");
  const count = isQuick ? 100 : MANY.grants;
  const { seconds } = await addMany(machine, count);
  const places = ["g", "grants"].map((name) => bytesOnDisk(`${machine.paths.home}/${name}`));
  const megabytes = places.reduce((sum, bytes) => sum + bytes) / 1e6;
  const share = count / MANY.grants;
  const what = `${count} grants, by four clients at once`;
  return {
    rows: [
      { what, unit: "s", values: once(seconds), target: atMost(MANY.seconds * share, seconds, " s") },
      {
        what: "… on the disk",
        unit: "MB",
        values: once(megabytes),
        target: atMost(MANY.megabytes * share, megabytes, " MB"),
      },
    ],
  };
}

/** As du(1) counts them. */
function bytesOnDisk(path: string): number {
  const stats = lstatSync(path);
  const inside = stats.isDirectory() ? readdirSync(path).map((name) => bytesOnDisk(`${path}/${name}`)) : [];
  return inside.reduce((sum, bytes) => sum + bytes, stats.blocks * 512);
}

async function fetchKey(directory: string): Promise<string> {
  const connection = await Connection.open(`${directory}/sock`, { timeoutMs: 20_000 });
  const { line } = await connection.request("Fetch", {});
  connection.close();
  return (JSON.parse(Buffer.from(line).toString()) as { AccessKeyId: string }).AccessKeyId;
}
