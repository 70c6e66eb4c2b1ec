// The programs that measure and those that are measured against: built once for a run, used as functions.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile, compileStatically } from "../../build.ts";
import { executable } from "../e2e/machine.ts";
import { type Summary, summarize } from "./statistics.ts";

export interface Tools {
  /** A directory for whatever a benchmark needs; removed at the end. */
  readonly directory: string;
  readonly isQuick: boolean;
  /** Paths of executables, all written by `writeExecutable`. keyhole is what people run: linked statically. */
  readonly keyhole: string;
  /** The same from Bun's own executable, which the loader of the machine starts. */
  readonly dynamicKeyhole: string;
  /** Does nothing but print, as Bun makes it. */
  readonly empty: string;
  /** The same, linked as keyhole is. */
  readonly staticEmpty: string;
  readonly echo: string;
  /** The least client there can be, in C. */
  readonly client: string;
  /** Runs commands by turns, each once in every round. One measurement for each command. */
  readonly spawnRounds: SpawnRounds;
  /** The same, each round in another order: what runs behind a large process finds cold caches. */
  readonly spawnShuffled: SpawnRounds;
  /** Runs so many processes of one command at once. */
  readonly spawnTogether: (count: number, command: Command, env: Environment) => Promise<Spawned>;
  readonly load: (socket: string, requests: Uint8Array, shape: LoadShape) => Promise<Load>;
}

type SpawnRounds = (rounds: number, commands: readonly Command[], env: Environment) => Promise<Spawned[]>;

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

const here = (name: string) => join(import.meta.dir, name);

export const compileC = (name: string) => async (outfile: string) => {
  await run(["gcc", "-O2", "-static", "-o", outfile, here(`${name}.c`)], process.env);
};

/** By name of the file: what makes it. */
const makers: Readonly<Record<string, (outfile: string) => Promise<unknown>>> = {
  client: compileC("client"),
  spawn: compileC("spawn"),
  load: compileC("load"),
  empty: (outfile) => compile(here("empty.ts"), outfile),
  "static-empty": (outfile) => compileStatically(here("empty.ts"), outfile, process.arch as "x64" | "arm64"),
  echo: (outfile) => compile(here("echo.ts"), outfile),
  "dynamic-keyhole": (outfile) => compile(here("../../src/main.ts"), outfile),
};

/**
 * A copy, by one write of all its bytes: how a file was written decides how it lies in the page cache, which changes
 * the start of what is in it by up to 15 %. So every executable that is compared is written in this one way.
 */
export function writeExecutable(from: string, to: string): void {
  writeFileSync(to, readFileSync(from), { mode: 0o755 });
}

/** @param program what spawn.c became */
export function openSpawner(program: string): Pick<Tools, "spawnRounds" | "spawnShuffled" | "spawnTogether"> {
  async function spawn(words: readonly string[], env: Environment): Promise<Spawned[]> {
    const { stdout, stderr } = await run([program, ...words], env);
    return stdout
      .trimEnd()
      .split("\n")
      .map((line) => spawnedOf(JSON.parse(line) as RawSpawned, stderr));
  }
  return {
    spawnRounds: (rounds, commands, env) => spawn(["rounds", String(rounds), ...chain(commands)], env),
    spawnShuffled: (rounds, commands, env) => spawn(["shuffled", String(rounds), ...chain(commands)], env),
    spawnTogether: async (count, command, env) => (await spawn(["together", String(count), ...command], env))[0]!,
  };
}

export async function buildTools(directory: string, isQuick: boolean): Promise<Tools> {
  const inDirectory = (name: string) => join(directory, name);
  mkdirSync(directory, { recursive: true });
  for (const [name, make] of Object.entries(makers)) {
    const made = inDirectory(`${name}.made`);
    await make(made);
    writeExecutable(made, inDirectory(name));
    rmSync(made);
  }
  writeExecutable(executable, inDirectory("keyhole"));

  return {
    directory,
    isQuick,
    keyhole: inDirectory("keyhole"),
    dynamicKeyhole: inDirectory("dynamic-keyhole"),
    empty: inDirectory("empty"),
    staticEmpty: inDirectory("static-empty"),
    echo: inDirectory("echo"),
    client: inDirectory("client"),
    ...openSpawner(inDirectory("spawn")),
    load: async (socket, requests, { connections, milliseconds, mode }) => {
      const words = [inDirectory("load"), socket, String(connections), String(milliseconds), mode];
      return JSON.parse((await run(words, {}, requests)).stdout) as Load;
    },
  };
}

function chain(commands: readonly Command[]): string[] {
  return commands.flatMap((words, index) => [...(index ? [":::"] : []), ...words]);
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
