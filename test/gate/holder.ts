// A hostile process with one grant: in bubblewrap with every namespace, a Debian's programs to attack with, and the
// grant's directory as all that it has of the host.
import { join } from "node:path";
import { as } from "../e2e/daemons.ts";
import { guard } from "./rigs/namespaces.ts";
import { places, rigs } from "./rigs/rigs.ts";

export interface HolderOptions {
  /** Whether it may change what is in the grant's directory. */
  readonly writable?: boolean;
  /** Of the host; without these it has its own. */
  readonly shares?: readonly ("net" | "pid")[];
  /** Who runs bwrap. */
  readonly uid?: number;
  /** More of bwrap's own. */
  readonly options?: readonly string[];
  /** Runs the attack instead: `/run/keyhole/keyhole relay --`. */
  readonly under?: readonly string[];
}

/** What a holder needs. */
export const holderRigs = [rigs.bubblewrap, rigs.debian];

export const PROGRAMS = join(import.meta.dir, "programs");
export const PYTHON = ["/usr/bin/python3", "-B", "-s", "-E", "/programs/attack.py"] as const;

/** @param directory a grant's, on the host */
export function holderCommand(directory: string, options: HolderOptions, program: readonly string[]): string[] {
  const { writable = false, shares = [], uid = 0 } = options;
  const namespaces = ["user", "ipc", "uts", "cgroup-try", "pid", "net"].filter(
    (name) => !shares.includes(name as "net"),
  );
  return [
    ...guard,
    ...as(uid),
    "bwrap",
    ...namespaces.map((name) => `--unshare-${name}`),
    "--die-with-parent",
    ...["bin", "lib", "lib64", "usr"].flatMap((name) => ["--ro-bind", `${places.debian}/${name}`, `/${name}`]),
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
    "--ro-bind",
    PROGRAMS,
    "/programs",
    writable ? "--bind" : "--ro-bind",
    directory,
    "/run/keyhole",
    "--clearenv",
    "--setenv",
    "PATH",
    "/usr/bin:/bin",
    ...(options.options ?? []),
    "--",
    ...(options.under ?? []),
    ...program,
  ];
}

export interface Attack {
  /** Ends it, and returns what it has to tell. */
  end(): Promise<unknown>;
  [Symbol.asyncDispose](): Promise<void>;
}

function spawn(argv: readonly string[], parameters: unknown) {
  const child = Bun.spawn([...argv], {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin:/usr/sbin" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  void child.stdin.write(`${JSON.stringify(parameters)}\n`);
  void child.stdin.flush();
  return child;
}

/** Runs an attack of programs/attack.py to its end. */
export async function attack<Result>(
  directory: string,
  name: string,
  parameters: unknown = null,
  options: HolderOptions = {},
): Promise<Result> {
  return await attackBy(holderCommand(directory, options, [...PYTHON, name]), parameters);
}

/** The same in a sandbox of another kind. @param argv ends with PYTHON and the attack's name */
export async function attackBy<Result>(argv: readonly string[], parameters: unknown = null): Promise<Result> {
  const child = spawn(argv, parameters);
  void child.stdin.end();
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  if (stdout === "") throw new Error(`${argv.at(-1)}: ${stderr}`);
  return JSON.parse(stdout) as Result;
}

/** Starts an attack that goes on, and waits until it is under way. */
export function startAttack(
  directory: string,
  name: string,
  parameters: unknown = null,
  options: HolderOptions = {},
): Promise<Attack> {
  return startAttackBy(holderCommand(directory, options, [...PYTHON, name]), parameters);
}

export async function startAttackBy(argv: readonly string[], parameters: unknown = null): Promise<Attack> {
  const child = spawn(argv, parameters);
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let text = "";
  const more = async () => {
    const { value, done } = await reader.read();
    if (done) return false;
    text += decoder.decode(value, { stream: true });
    return true;
  };
  while (!text.startsWith("ready\n")) if (!(await more())) throw new Error(await child.stderr.text());
  return {
    async end() {
      void child.stdin.end();
      while (await more());
      await child.exited;
      const result = text.slice("ready\n".length);
      if (result === "") throw new Error(await child.stderr.text());
      return JSON.parse(result) as unknown;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** The number below which this part of them is. */
export function percentile(numbers: readonly number[], part: number): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length * part)]!;
}
