// Who asks during a chaos run, in every way there is: connections that are kept, commands, grants over a socket and in a
// file. Each checks what it is given against what STS has issued.
import { readFileSync } from "node:fs";
import { decode } from "../../../src/wire/codec.ts";
import { errorNameOf } from "../../../src/errors.ts";
import { ERROR_NUMBER, errorReply, messages } from "../../../src/wire/messages.ts";
import { inside } from "../../e2e/granthost.ts";
import { exportCommand, type Machine, roleArn } from "../machines.ts";
import { type Client, openClient, vendFrame, within } from "../soak/clients.ts";

export interface World {
  readonly machine: Machine;
  readonly program: string;
  readonly names: readonly string[];
  /** Directories of grants by their config. */
  readonly grants: ReadonlyMap<string, string>;
  readonly leases: ReadonlyMap<string, string>;
  /** Whether a daemon was ended by the run itself since then: a connection to it may break. */
  readonly hasEndedSince: (time: number) => boolean;
}

/** What a client was given: reasons why it was nothing, and what is wrong with what it got. */
export interface Answer {
  readonly failure?: string;
  readonly defect?: string | undefined;
}

export interface Asker {
  readonly who: string;
  /** Milliseconds between the end of one question and the next. */
  readonly pause: number;
  /** Undefined where the question could not be asked, because the run had just ended the daemon. */
  readonly ask: (turn: number) => Promise<Answer | undefined>;
}

interface Keys {
  readonly AccessKeyId: string;
  readonly SecretAccessKey?: string;
}

/** Milliseconds that vended credentials have left at least: the daemon's floor, without the way on a busy machine. */
const LEAST = 50_000;

export function createAskers(world: World): Asker[] {
  const { names, grants, leases } = world;
  const several = (count: number, make: (index: number) => Asker) => Array.from({ length: count }, (_, at) => make(at));
  return [
    ...several(4, (index) => connectionAsker(world, index)),
    ...several(3, (index) => ({ who: "export", pause: 150, ask: (turn) => exportKeys(world, turn + 5 * index) })),
    { who: "exec", pause: 500, ask: (turn) => execute(world, names[turn % names.length]!) },
    ...[...grants].map(([name, directory]) => ({
      who: "grant",
      pause: 400,
      ask: () => askGrant(world, name, directory),
    })),
    ...[...leases].map(([name, directory]) => ({
      who: "lease",
      pause: 50,
      ask: () => Promise.resolve(readLease(world, name, directory)),
    })),
  ];
}

/** @param least milliseconds that have to be left */
function defectOf({ machine }: World, name: string, keys: Keys, least = LEAST): string | undefined {
  const known = machine.sts.issued.get(keys.AccessKeyId);
  if (known === undefined) return "a key that STS never issued";
  if (known.roleArn !== roleArn(name)) return "credentials of another role";
  if (keys.SecretAccessKey !== undefined && keys.SecretAccessKey !== known.secretAccessKey)
    return "another key's secret";
  const left = known.expiresAt! - Date.now();
  if (left <= 0) return "expired credentials";
  return left < least ? `credentials with ${(left / 1000).toFixed(1)} s left` : undefined;
}

/** One that is kept for as long as its daemon lives, and does what a client does where the session is not there. */
function connectionAsker(world: World, index: number): Asker {
  const { machine, names } = world;
  let client: Client | undefined;
  const ask = async (turn: number): Promise<Answer | undefined> => {
    const name = names[(turn + 3 * index) % names.length]!;
    const began = Date.now();
    try {
      client ??= await openClient(machine.paths.socket);
      const [frame] = await within(client.ask(vendFrame(name), 1), "vend", 30_000);
      if (frame!.message === ERROR_NUMBER) {
        const { number, message } = decode(errorReply, frame!.body);
        if (errorNameOf(number) !== "no-such-session") return { failure: message };
        const { exitCode, stderr } = await machine.run(["daemon", "add", "--no-verify", "-n", name], world);
        return exitCode === 0 ? undefined : { failure: stderr };
      }
      const { line } = decode(messages.Vend.response, frame!.body);
      return { defect: defectOf(world, name, JSON.parse(Buffer.from(line).toString()) as Keys) };
    } catch (error) {
      client?.close();
      client = undefined;
      // Whoever connects starts no daemon: where there is none, another asker does that.
      return world.hasEndedSince(began) ? undefined : { failure: String(error) };
    }
  };
  return { who: "connection", pause: 15, ask };
}

async function exportKeys(world: World, turn: number): Promise<Answer> {
  const { machine, program, names } = world;
  const name = names[turn % names.length]!;
  const [, ...words] = exportCommand(program, name);
  const { exitCode, stdout, stderr } = await machine.run(words, { program });
  if (exitCode !== 0) return { failure: `exit ${exitCode}: ${stderr}` };
  return { defect: defectOf(world, name, JSON.parse(stdout) as Keys) };
}

async function execute(world: World, name: string): Promise<Answer> {
  const { machine, program } = world;
  const words = ["exec", "-n", name, "--", "printenv", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
  const { exitCode, stdout, stderr } = await machine.run(words, { program });
  if (exitCode !== 0) return { failure: `exit ${exitCode}: ${stderr}` };
  const [AccessKeyId = "", SecretAccessKey = ""] = stdout.split("\n");
  return { defect: defectOf(world, name, { AccessKeyId, SecretAccessKey }) };
}

async function askGrant(world: World, name: string, directory: string): Promise<Answer> {
  const { exitCode, stdout, stderr } = await world.machine.run([], { program: `${directory}/keyhole`, env: inside });
  if (exitCode !== 0) return { failure: `exit ${exitCode}: ${stderr}` };
  return { defect: defectOf(world, name, JSON.parse(stdout) as Keys) };
}

/** As `credential_process = cat lease.json` gives it to an SDK. */
function readLease(world: World, name: string, directory: string): Answer {
  const lease = JSON.parse(readFileSync(`${directory}/lease.json`, "utf8")) as { Version: unknown } & Keys;
  if (lease.Version !== 1) return { failure: String(lease.Version) };
  return { defect: defectOf(world, name, lease, 0) };
}
