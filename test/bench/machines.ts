// The machine of a benchmark: e2e's, with many configs and sessions made at once, and what is read of its daemon.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Connection } from "../../src/client/connection.ts";
import { encode } from "../../src/wire/codec.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { messages } from "../../src/wire/messages.ts";
import { moveKeysToFile } from "../e2e/keyfile.ts";
import { configText, createMachine, type Machine, roleArn } from "../e2e/machine.ts";

export { type Machine, roleArn };

/** What every SDK's `credential_process` runs. @param program keyhole */
export function exportCommand(program: string, name: string): string[] {
  return [program, "export", "--format", "credential-process", "-n", name];
}

/** Configs of sessions that live for 12 hours, so that no renewal falls into a measurement. Returns their names. */
export function writeConfigs(machine: Machine, ...names: readonly string[]): readonly string[] {
  mkdirSync(machine.paths.configs, { recursive: true, mode: 0o700 });
  for (const name of names) {
    const text = configText(machine, name, "  DurationSeconds: 43200\n");
    writeFileSync(join(machine.paths.configs, `${name}.yaml`), text, { mode: 0o600 });
  }
  return names;
}

export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

/** A machine with a running daemon, which ends with it. */
export async function startMachine(env: Readonly<Record<string, string>> = {}): Promise<Machine> {
  return start(await createMachine(), env);
}

/** The same with the source credentials in a file, so that the next daemon has them, too. */
export async function startLastingMachine(): Promise<Machine> {
  const machine = await createMachine();
  moveKeysToFile(machine);
  return start(machine, {});
}

async function start(machine: Machine, env: Readonly<Record<string, string>>): Promise<Machine> {
  try {
    await machine.keyhole("daemon start", { env });
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
  return machine;
}

/** A machine whose daemon has credentials of the config `first`. */
export async function startWarmMachine(): Promise<Machine> {
  const machine = await startMachine();
  await addSessions(machine, writeConfigs(machine, "first"));
  return machine;
}

/**
 * A grant as fast as it can be asked: its rate is out of the way. Returns its directory, where the host sees it.
 *
 * @param words further ones of `grant add`
 */
export async function addGrant(machine: Machine, name: string, config: string, words = ""): Promise<string> {
  const command = `grant add ${name} --config ${config} --mount-at host --rate 1000000/s ${words}`;
  return (await machine.keyhole(command.trimEnd())).trimEnd();
}

/** What a client sends with an `Add`. */
export function sourceVariables(machine: Machine): { name: string; value: string }[] {
  return Object.entries(machine.environment).map(([name, value]) => ({ name, value }));
}

/** One AssumeRole for each, as many at once as a daemon makes. */
export async function addSessions(machine: Machine, names: readonly string[]): Promise<void> {
  const waiting = names.values();
  const environment = sourceVariables(machine);
  const work = async () => {
    const connection = await Connection.open(machine.paths.socket, { timeoutMs: 60_000 });
    for (const config of waiting) await connection.request("Add", { config, environment, verify: true, renew: false });
    connection.close();
  };
  await Promise.all(Array.from({ length: Math.min(8, names.length) }, work));
}

/** The frames that ask for these configs' credentials. */
export function vendRequests(names: readonly string[]): Uint8Array {
  const { number, request } = messages.Vend;
  return Buffer.concat(names.map((config) => encodeFrame(number, encode(request, { config }))));
}

/** The frame that asks a grant for its credentials. */
export function fetchRequest(): Uint8Array {
  const { number, request } = messages.Fetch;
  return encodeFrame(number, encode(request, {}));
}

/** Bytes of the frame that answers a Vend. */
export async function answerSize(machine: Machine, config: string): Promise<number> {
  const { number, response } = messages.Vend;
  const connection = await Connection.open(machine.paths.socket, { timeoutMs: 20_000 });
  const answer = await connection.request("Vend", { config });
  connection.close();
  return encodeFrame(number, encode(response, answer)).length;
}

/** Microseconds of user and system time that a process has taken so far, in steps of 10,000. */
export function cpuTimeOf(pid: number): number {
  // Behind the name, which may hold anything; utime and stime are fields 14 and 15, in ticks of 1/100 s.
  const [utime, stime] = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ")
    .slice(11, 13);
  return (Number(utime) + Number(stime)) * 10_000;
}
