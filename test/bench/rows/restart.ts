// How long `daemon restart` takes, and the longest that a client waits which asks every 10 ms meanwhile: a process each
// time, as an SDK runs it, on the host and from the directory of a grant. The source credentials are in a file, so the
// next daemon finds them by itself; whoever asks it first waits for STS as well.
import { addGrant, addSessions, exportCommand, type Machine, startLastingMachine, writeConfigs } from "../machines.ts";
import { ratioTo, type Report, type Row } from "../report.ts";
import { summarize, type Summary } from "../statistics.ts";
import type { Command, Tools } from "../tools.ts";

/** Milliseconds between the beginnings of two questions. */
const PERIOD = 10;
/** Milliseconds for which the client asks before a restart and after it. */
const MARGIN = 150;

interface Round {
  /** Milliseconds of the command. */
  readonly restart: number;
  /** Milliseconds of the slowest answer, and of the one in the middle of those before the restart. */
  readonly longest: number;
  readonly usual: number;
  readonly asked: number;
  readonly failures: readonly string[];
}

export async function measureRestart({ isQuick, keyhole }: Tools): Promise<Report> {
  await using machine = await startLastingMachine();
  await addSessions(machine, writeConfigs(machine, "first"));
  const directory = await addGrant(machine, "agent", "first");
  const commands = { export: exportCommand(keyhole, "first"), grant: [`${directory}/keyhole`] };
  const rounds: Record<keyof typeof commands, Round[]> = { export: [], grant: [] };
  // The first round only brings everything into memory.
  for (let round = 0; round < (isQuick ? 4 : 16); round += 1) {
    for (const who of ["export", "grant"] as const) {
      const measured = await restartUnder(machine, keyhole, commands[who]);
      if (round > 0) rounds[who].push(measured);
    }
  }
  const all = [...rounds.export, ...rounds.grant];
  const restart = summarize(all.map((round) => round.restart));
  return {
    rows: [
      { what: "daemon restart", unit: "ms", values: restart, note: "while a client asks every 10 ms" },
      ...waitRows("export", rounds.export, restart),
      ...waitRows("keyhole in a grant's directory", rounds.grant, restart),
    ],
    defects: all.flatMap(({ failures }) => failures.map((said) => `restart: a client failed: ${said}`)),
  };
}

function waitRows(who: string, rounds: readonly Round[], restart: Summary): Row[] {
  const longest = summarize(rounds.map((round) => round.longest));
  const usual = summarize(rounds.map((round) => round.usual));
  const asked = rounds.reduce((sum, round) => sum + round.asked, 0);
  const note = `${asked} asked; worst ${longest.max.toFixed(0)} ms`;
  return [
    { what: `longest wait, ${who}`, unit: "ms", values: longest, ratio: ratioTo("restart", longest, restart), note },
    { what: `usual wait, ${who}`, unit: "ms", values: usual },
  ];
}

async function restartUnder(machine: Machine, keyhole: string, command: Command): Promise<Round> {
  const waits: number[] = [];
  const failures: string[] = [];
  const end = new AbortController();
  const asking = askOften(machine, command, { waits, failures, end: end.signal });
  await Bun.sleep(MARGIN);
  const usual = summarize(waits).median;
  const began = performance.now();
  await machine.keyhole("daemon restart", { program: keyhole });
  const restart = performance.now() - began;
  await Bun.sleep(MARGIN);
  end.abort();
  await asking;
  return { restart, longest: Math.max(...waits), usual, asked: waits.length, failures };
}

interface Asking {
  readonly waits: number[];
  readonly failures: string[];
  readonly end: AbortSignal;
}

async function askOften(machine: Machine, [program, ...words]: Command, { waits, failures, end }: Asking) {
  while (!end.aborted) {
    const began = performance.now();
    const { exitCode, stderr } = await machine.run(words, { program: program! });
    waits.push(performance.now() - began);
    if (exitCode !== 0) failures.push(`exit ${exitCode}: ${stderr.slice(0, 300)}`);
    await Bun.sleep(Math.max(0, began + PERIOD - performance.now()));
  }
}
