// A daemon that is killed every few seconds, in front of an STS that fails for six minutes of ten, and clients of every
// kind that ask all the time: no request may fail but in those minutes, no expired credentials may be given to anybody,
// and STS may not be called much more often than it has to be.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { moveKeysToFile } from "../../e2e/keyfile.ts";
import { createMachine, executable, isAlive } from "../../e2e/machine.ts";
import { makeMemory } from "../../memory.ts";
import type { Sts } from "../../sts/server.ts";
import { type Machine, numbered, roleArn } from "../machines.ts";
import { atMost, once, type Report, type Row } from "../report.ts";
import { writeConfig } from "../soak/events.ts";
import { writeExecutable } from "../tools.ts";
import { type Asker, createAskers, type World } from "./askers.ts";
import { type Asked, judgeCalls, placeOf, type Window } from "./judge.ts";

interface Disturbance {
  readonly what: string;
  readonly begin: (sts: Sts) => unknown;
  readonly end: (sts: Sts) => unknown;
}

/** What STS does in a window, one after the other. */
const faults: readonly Disturbance[] = [
  fault("errors", { fail: { code: "InternalFailure", message: "chaos", status: 500 } }),
  fault("hangs", { hang: true }),
  fault("throttling", { fail: "Throttling" }),
  fault("cut connections", { cut: "before" }),
  { what: "refused connections", begin: (sts) => sts.suspend(), end: (sts) => sts.resume() },
  fault("slow answers of a proxy", { delay: 1500, garbage: "html" }),
];

function fault(what: string, effect: Parameters<Sts["faults"]["add"]>[0]): Disturbance {
  return { what, begin: (sts: Sts) => sts.faults.add(effect), end: (sts: Sts) => sts.faults.clear() };
}

/** Milliseconds. */
const WINDOW = 60_000;
/** Of the whole time. */
const SHARE_OF_FAULTS = 0.6;
/** Milliseconds between two ends of the daemon; every fourth is a restart, the others are kills. */
const LEAST_LIFE = 6_000;
const MOST_LIFE = 20_000;

/** Seconds: some that are renewed every few seconds, some that outlive every window. */
const lifetimes = [80, 100, 120, 150, 80, 100, 120, 150, 900, 900, 900, 900, 3600, 3600, 3600, 3600];
const GRANTS = 3;

interface Run {
  readonly asked: Asked[];
  /** How often, by what was wrong with credentials. */
  readonly defects: Map<string, number>;
  readonly windows: Window[];
  /** When a daemon was ended. */
  readonly ends: number[];
  readonly ended: Set<number>;
  kills: number;
  crashes: number;
}

export async function runChaos(directory: string, minutes: number): Promise<Report> {
  const program = join(directory, "keyhole");
  writeExecutable(executable, program);
  await using machine = await createMachine({ minDuration: 60 });
  const memory = makeMemory();
  moveKeysToFile(machine);
  // Every config names it: in the environment it would only keep clients from the short way.
  delete machine.environment["AWS_ENDPOINT_URL_STS"];
  if (memory !== undefined) machine.environment["XDG_RUNTIME_DIR"] = memory.path;
  try {
    return await disturb(machine, program, minutes * 60_000);
  } finally {
    memory?.remove();
  }
}

async function disturb(machine: Machine, program: string, milliseconds: number): Promise<Report> {
  const run: Run = { asked: [], defects: new Map(), windows: [], ends: [], ended: new Set(), kills: 0, crashes: 0 };
  const lifetimeByRole = new Map(lifetimes.map((seconds, index) => [roleArn(`role${index}`), seconds * 1000]));
  const world = await prepare(machine, program, run);
  const began = Date.now();
  const isOver = () => Date.now() >= began + milliseconds;
  await Promise.all([
    ...createAskers(world).map((asker) => askOn(asker, run, isOver)),
    breakSts(machine.sts, run, milliseconds),
    endDaemons(world, run, isOver),
    watch(machine, run, isOver),
  ]);
  const calls = machine.sts.calls.filter(({ action }) => action === "AssumeRole");
  const verdict = judgeCalls(calls, run.windows, [began, ...run.ends], (role) => lifetimeByRole.get(role)!);
  return report(run, verdict, calls.length);
}

async function prepare(machine: Machine, program: string, run: Run): Promise<World> {
  const names = numbered("role", lifetimes.length - GRANTS - 1);
  mkdirSync(machine.paths.configs, { recursive: true, mode: 0o700 });
  for (const [index, lifetime] of lifetimes.entries()) writeConfig(machine, `role${index}`, lifetime);
  await machine.run(["daemon", "start"], { program });
  const grant = async (index: number, words: readonly string[]): Promise<readonly [string, string]> => {
    const config = `role${index}`;
    const command = ["grant", "add", `grant${index}`, "--config", config, "--mount-at", "host", ...words];
    const { exitCode, stdout, stderr } = await machine.run(command, { program });
    if (exitCode !== 0) throw new Error(stderr);
    return [config, stdout.trimEnd()];
  };
  const first = names.length;
  const grants = new Map(await Promise.all(numbered("", GRANTS).map((_, index) => grant(first + index, []))));
  const leases = new Map([await grant(first + GRANTS, ["--deliver", "file"])]);
  const hasEndedSince = (time: number) => run.ends.some((end) => end >= time - 2000);
  return { machine, program, names, grants, leases, hasEndedSince };
}

async function askOn({ who, pause, ask }: Asker, { asked, defects }: Run, isOver: () => boolean): Promise<void> {
  for (let turn = 0; !isOver(); turn += 1) {
    const from = Date.now();
    const answer = await ask(turn).catch((error: unknown) => ({ failure: String(error), defect: undefined }));
    if (answer !== undefined) {
      asked.push({ who, from, to: Date.now(), failure: answer.failure });
      const { defect } = answer;
      if (defect !== undefined) defects.set(`${who}: ${defect}`, (defects.get(`${who}: ${defect}`) ?? 0) + 1);
    }
    await Bun.sleep(pause);
  }
}

/** Windows of a minute with quiet between them, before the first and after the last. */
async function breakSts(sts: Sts, { windows }: Run, milliseconds: number): Promise<void> {
  const count = Math.max(1, Math.round((milliseconds * SHARE_OF_FAULTS) / WINDOW));
  const length = Math.min(WINDOW, (milliseconds * SHARE_OF_FAULTS) / count);
  const quiet = (milliseconds - count * length) / (count + 1);
  for (let index = 0; index < count; index += 1) {
    const { what, begin, end } = faults[index % faults.length]!;
    await Bun.sleep(quiet);
    const window = { what, from: Date.now(), to: Infinity };
    windows.push(window);
    console.error(`${what} …`);
    await begin(sts);
    await Bun.sleep(length);
    await end(sts);
    window.to = Date.now();
  }
}

async function endDaemons({ machine, program }: World, run: Run, isOver: () => boolean): Promise<void> {
  for (let turn = 1; ; turn += 1) {
    await Bun.sleep(LEAST_LIFE + Math.random() * (MOST_LIFE - LEAST_LIFE));
    if (isOver()) return;
    const pid = machine.daemonPid();
    if (pid === undefined) continue;
    run.ended.add(pid);
    run.ends.push(Date.now());
    if (turn % 4 === 0) {
      const from = Date.now();
      const { exitCode, stderr } = await machine.run(["daemon", "restart"], { program });
      run.asked.push({ who: "restart", from, to: Date.now(), failure: exitCode === 0 ? undefined : stderr });
      run.ends.push(Date.now());
    } else {
      run.kills += 1;
      process.kill(pid, "SIGKILL");
    }
  }
}

/** No daemon ends by itself. */
async function watch(machine: Machine, run: Run, isOver: () => boolean): Promise<void> {
  for (let last: number | undefined; !isOver();) {
    const pid = machine.daemonPid();
    if (last !== undefined && pid !== last && !isAlive(last) && !run.ended.has(last)) run.crashes += 1;
    last = pid;
    await Bun.sleep(50);
  }
}

function report(run: Run, { outside, needed, mostInside }: ReturnType<typeof judgeCalls>, calls: number): Report {
  const failed = run.asked.filter(({ failure }) => failure !== undefined);
  const byPlace = Map.groupBy(failed, (asked) => placeOf(asked, run.windows));
  const failures = (place: ReturnType<typeof placeOf>) => byPlace.get(place)?.length ?? 0;
  const wrong = [...run.defects.values()].reduce((sum, count) => sum + count, 0);
  const rows = [
    row("requests", run.asked.length),
    row("kills", run.kills),
    row("daemons that ended by themselves", run.crashes, 0),
    row("failures in fault windows", failures("inside")),
    row("failures in the pauses after them", failures("echo")),
    row("failures outside of fault windows", failures("outside"), 0),
    row("expired or wrong credentials handed out", wrong, 0),
    row("AssumeRole calls", calls),
    row("outside of fault windows, for each that was needed", outside / Math.max(1, needed), 1.5),
    row("in fault windows, the most a second and role", mostInside, 1),
  ];
  const why = Map.groupBy(byPlace.get("outside") ?? [], ({ who, failure }) => `${who}: ${failure!.trimEnd()}`);
  return {
    rows,
    defects: [
      ...rows.filter(({ target }) => target?.isMet === false).map(({ what }) => `chaos: ${what}: over its limit`),
      ...[...why].map(([what, asked]) => `chaos: ${asked.length} x outside of fault windows: ${what}`),
      ...[...run.defects].map(([what, count]) => `chaos: ${count} x ${what}`),
    ],
  };
}

function row(what: string, value: number, most?: number): Row {
  const target = most === undefined ? undefined : atMost(most, value);
  return { what, unit: "", values: once(value), ...(target && { target }) };
}
