// What happens to the daemon during a soak besides the steady load, each every so many seconds.
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Connection } from "../../../src/client/connection.ts";
import { encodeFrame } from "../../../src/wire/frame.ts";
import { messages, PROTOCOL_VERSION } from "../../../src/wire/messages.ts";
import { configText } from "../../e2e/machine.ts";
import { exportCommand, type Machine, sourceVariables } from "../machines.ts";
import { defectOf, openClient, vendFrame, within } from "./clients.ts";

export interface World {
  readonly machine: Machine;
  readonly program: string;
  readonly pid: number;
  /** The configs that are vended all the time. */
  readonly names: readonly string[];
}

export interface Event {
  readonly what: string;
  readonly everySeconds: number;
  /** @throws Error what went wrong. */
  readonly run: (world: World, turn: number) => Promise<void>;
}

export const events: readonly Event[] = [
  { what: "burst", everySeconds: 10, run: burst },
  { what: "process", everySeconds: 5, run: exportOnce },
  { what: "malformed request", everySeconds: 1, run: sendMalformed },
  { what: "slow reader", everySeconds: 15, run: readSlowly },
  { what: "config change", everySeconds: 20, run: changeConfig },
  { what: "broken config", everySeconds: 60, run: breakConfig },
  { what: "passing session", everySeconds: 30, run: passThrough },
  { what: "SIGHUP", everySeconds: 60, run: hangUp },
  { what: "STS fault", everySeconds: 45, run: disturbSts },
];

/** Passing sessions that the daemon has room for beside the others. */
export const PASSING = 4;

/** Seconds: from 80 to 150, renewed after 10 to 45 (src/daemon/sessions/refresh.ts). */
export function lifetimeOf(index: number): number {
  return 80 + (index % 8) * 10;
}

/** By rename, as an editor does it. */
export function writeConfig({ home, paths, sts }: Machine, name: string, lifetime: number, more = ""): void {
  const temporary = join(home, "work", `${name}.yaml`);
  const text = configText({ sts }, name, `  DurationSeconds: ${lifetime}\n${more}`);
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, join(paths.configs, `${name}.yaml`));
}

/** 32 connections with 32 requests each, all at once. */
async function burst({ machine, names }: World, turn: number): Promise<void> {
  const requests = Buffer.concat(Array.from({ length: 32 }, (_, index) => frameOf(names, turn + index)));
  const one = async () => {
    const client = await openClient(machine.paths.socket);
    const answers = await within(client.ask(requests, 32), "burst");
    client.close();
    for (const answer of answers) refuse(defectOf(answer));
  };
  await Promise.all(Array.from({ length: 32 }, one));
}

async function exportOnce({ machine, program, names }: World, turn: number): Promise<void> {
  const [, ...words] = exportCommand(program, names[turn % names.length]!);
  const { exitCode, stdout, stderr } = await machine.run(words, { program });
  if (exitCode !== 0 || !stdout.includes('"AccessKeyId"')) throw new Error(`exit ${exitCode}: ${stderr}`);
}

/** Bytes, and whether the connection is over then. */
const malformed: readonly (readonly [what: string, bytes: Uint8Array, ends: boolean])[] = [
  ["no length", new Uint8Array([0, 0, 0, 0]), true],
  ["too long", new Uint8Array([0x7f, 0xff, 0xff, 0xff]), true],
  ["a text", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), true],
  ["an empty Vend", encodeFrame(messages.Vend.number, new Uint8Array(0)), true],
  ["a trailing byte", encodeFrame(messages.Hello.number, new Uint8Array([0, 1, 65, 0])), true],
  ["half a request, and silence", vendFrame("role0").subarray(0, 9), true],
  ["an unknown message", encodeFrame(0x7e, new Uint8Array(3)), false],
  ["a later version", encodeFrame(messages.Hello.number, new Uint8Array(2), PROTOCOL_VERSION + 1), false],
];

async function sendMalformed({ machine }: World, turn: number): Promise<void> {
  const [what, bytes, ends] = malformed[turn % malformed.length]!;
  const client = await openClient(machine.paths.socket);
  if (ends) {
    client.write(bytes);
    await within(client.closed, `after ${what}`);
    return;
  }
  const [reply] = await within(client.ask(bytes, 1), `after ${what}`);
  if (defectOf(reply!) === undefined) throw new Error(`${what} was answered`);
  const [answer] = await within(client.ask(vendFrame("role0"), 1), `a vend after ${what}`);
  client.close();
  refuse(defectOf(answer!));
}

/** By turns one that never reads, which the daemon cuts off after 5 s, and one that begins late and gets it all. */
async function readSlowly({ machine, names }: World, turn: number): Promise<void> {
  const isDead = turn % 2 === 0;
  const client = await openClient(machine.paths.socket);
  client.pause();
  const answers = client.ask(Buffer.concat(Array.from({ length: 1000 }, (_, index) => frameOf(names, index))), 1000);
  const all = answers.then(
    (frames) => frames,
    () => undefined,
  );
  await Bun.sleep(isDead ? 7000 : 1500);
  client.resume();
  const frames = await within(all, "a slow reader");
  client.close();
  if (isDead && frames !== undefined) throw new Error("a reader that took nothing for 7 s was not cut off");
  if (!isDead && frames === undefined) throw new Error("a reader that took nothing for 1.5 s was cut off");
  for (const frame of frames ?? []) refuse(defectOf(frame));
}

/** Another identity: new credentials at the next request. */
async function changeConfig({ machine, names }: World, turn: number): Promise<void> {
  const index = turn % names.length;
  writeConfig(machine, names[index]!, lifetimeOf(index), `  RoleSessionName: turn-${turn}\n`);
}

/** The session lives on with what was last good. */
async function breakConfig({ machine, names }: World, turn: number): Promise<void> {
  const index = (7 * turn + 3) % names.length;
  writeConfig(machine, names[index]!, lifetimeOf(index), "  Nonsense: [\n");
  await Bun.sleep(5000);
  writeConfig(machine, names[index]!, lifetimeOf(index));
}

/**
 * Sessions that come, are used a few times and are evicted by the next: the daemon keeps fewer of them than there are.
 * Every fourth is removed instead.
 */
async function passThrough({ machine }: World, turn: number): Promise<void> {
  const config = `passing${turn % (2 * PASSING)}`;
  writeConfig(machine, config, 900);
  const connection = await Connection.open(machine.paths.socket, { timeoutMs: 20_000 });
  const environment = sourceVariables(machine);
  await connection.request("Add", { config, environment, verify: true, renew: false });
  await connection.request("Vend", { config });
  await connection.request("Identity", { config });
  await connection.request("List", {});
  if (turn % 4 === 3) await connection.request("Remove", { config });
  connection.close();
}

/** As logrotate does it. */
async function hangUp({ machine, pid }: World): Promise<void> {
  renameSync(machine.paths.log, `${machine.paths.log}.moved`);
  process.kill(pid, "SIGHUP");
  const began = performance.now();
  while (!existsSync(machine.paths.log)) {
    if (performance.now() - began > 5000) throw new Error("no new log 5 s after SIGHUP");
    await Bun.sleep(20);
  }
}

/** What nobody may notice, by turns. */
async function disturbSts({ machine }: World, turn: number): Promise<void> {
  const faults = [{ fail: "Throttling" }, { cut: "before" }, { delay: 1500 }, { cut: "midway" }] as const;
  machine.sts.faults.add({ action: "AssumeRole", times: 1, ...faults[turn % faults.length] });
}

const frames = new Map<string, Uint8Array>();

/** The request for one of the names; made once. */
export function frameOf(names: readonly string[], index: number): Uint8Array {
  const name = names[index % names.length]!;
  let frame = frames.get(name);
  if (frame === undefined) frames.set(name, (frame = vendFrame(name)));
  return frame;
}

function refuse(defect: string | undefined): void {
  if (defect !== undefined) throw new Error(defect);
}
