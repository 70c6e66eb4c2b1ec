// The programs that measure and those that are measured against: built once for a run, used as functions.
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../build.ts";
import { executable } from "../e2e/machine.ts";
import { type Summary, summarize } from "./statistics.ts";

export interface Tools {
  /** A directory for whatever a benchmark needs; removed at the end. */
  readonly directory: string;
  readonly isQuick: boolean;
  /**
   * Paths of executables: keyhole, an empty one, an echo server, the least client. keyhole is a copy, so that all were
   * written just now: how a file lies in the page cache changes the start of what is in it by a tenth.
   */
  readonly keyhole: string;
  readonly empty: string;
  readonly echo: string;
  readonly client: string;
  /** Runs commands by turns, each once in every round. One measurement for each command. */
  readonly spawnRounds: (rounds: number, commands: readonly Command[], env: Environment) => Promise<Spawned[]>;
  /** Runs so many processes of one command at once. */
  readonly spawnTogether: (count: number, command: Command, env: Environment) => Promise<Spawned>;
  readonly load: (socket: string, requests: Uint8Array, shape: LoadShape) => Promise<Load>;
}

export type Command = readonly string[];
type Environment = Readonly<Record<string, string>>;

/** Processes of one command. */
export interface Spawned {
  readonly failures: number;
  /** How many different texts they printed. */
  readonly outputs: number;
  /** Milliseconds, from the call that spawns it until it is waited for. */
  readonly wall: Summary;
  /** Milliseconds of user and system time. */
  readonly cpu: Summary;
  /** MiB, the most that was resident. */
  readonly rss: Summary;
  /** What they said on stderr. */
  readonly stderr: string;
}

export interface LoadShape {
  readonly connections: number;
  readonly milliseconds: number;
  /** `fresh` opens a connection for every request. */
  readonly mode: "kept" | "fresh";
}

export interface Load {
  readonly requests: number;
  readonly failures: number;
  readonly seconds: number;
  /** Latency in microseconds. */
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export async function buildTools(directory: string, isQuick: boolean): Promise<Tools> {
  const inDirectory = (name: string) => join(directory, name);
  mkdirSync(directory, { recursive: true });
  for (const name of ["client", "spawn", "load"]) {
    const source = join(import.meta.dir, `${name}.c`);
    await run(["gcc", "-O2", "-static", "-o", inDirectory(name), source], process.env);
  }
  copyFileSync(executable, inDirectory("keyhole"));
  for (const name of ["empty", "echo"]) await compile(join(import.meta.dir, `${name}.ts`), inDirectory(name));

  async function spawn(words: readonly string[], env: Environment): Promise<Spawned[]> {
    const { stdout, stderr } = await run([inDirectory("spawn"), ...words], env);
    return stdout
      .trimEnd()
      .split("\n")
      .map((line) => spawnedOf(JSON.parse(line) as RawSpawned, stderr));
  }

  return {
    directory,
    isQuick,
    keyhole: inDirectory("keyhole"),
    empty: inDirectory("empty"),
    echo: inDirectory("echo"),
    client: inDirectory("client"),
    spawnRounds: (rounds, commands, env) =>
      spawn(
        ["rounds", String(rounds), ...commands.flatMap((words, index) => [...(index ? [":::"] : []), ...words])],
        env,
      ),
    spawnTogether: async (count, command, env) => (await spawn(["together", String(count), ...command], env))[0]!,
    load: async (socket, requests, { connections, milliseconds, mode }) => {
      const words = [inDirectory("load"), socket, String(connections), String(milliseconds), mode];
      return JSON.parse((await run(words, {}, requests)).stdout) as Load;
    },
  };
}

interface RawSpawned {
  readonly failures: number;
  readonly outputs: number;
  readonly wall: number[];
  readonly cpu: number[];
  readonly rss: number[];
}

function spawnedOf({ failures, outputs, wall, cpu, rss }: RawSpawned, stderr: string): Spawned {
  return { failures, outputs, stderr, wall: scale(wall, 1000), cpu: scale(cpu, 1000), rss: scale(rss, 1024) };
}

function scale(sample: readonly number[], unit: number): Summary {
  return summarize(sample.map((value) => value / unit));
}

/** @throws Error with what the program said if it fails. */
async function run(words: readonly string[], env: Readonly<Record<string, string | undefined>>, stdin?: Uint8Array) {
  const child = Bun.spawn([...words], { env: { ...env }, stdin: stdin ?? "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0) throw new Error(`${words[0]} ended with ${status}\n${stderr}`);
  return { stdout, stderr };
}
