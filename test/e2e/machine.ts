// A machine of its own for every test: a temporary home, an STS, and the compiled executable to drive from outside.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isAlive, type Result, resultOf, until } from "../processes.ts";
import { startSts, type Sts, type StsServerOptions } from "../sts/server.ts";

export { isAlive, type Result, until };

const root = join(import.meta.dir, "..", "..");

/** The executable that people run. `KEYHOLE_TEST_EXECUTABLE` names another one, to run the same suite against it. */
export const executable = resolve(root, process.env["KEYHOLE_TEST_EXECUTABLE"] ?? "dist/keyhole");

/** Bun's own executable, for what a static one cannot do: be preloaded. */
export const dynamicExecutable = join(root, "dist", "keyhole-dynamic");

if (!existsSync(executable)) throw new Error(`${executable} is missing: run \`npm run build\` first`);

export interface RunOptions {
  /** Added to the machine's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** What the command reads; without it stdin is /dev/null. */
  readonly stdin?: string;
  /** Run by this instead, with the executable behind it: `["strace", "-f"]`. */
  readonly under?: readonly string[];
  /** Another copy of the executable. */
  readonly program?: string;
}

export type Machine = Awaited<ReturnType<typeof createMachine>>;

/**
 * Use with `await using`: the daemon is ended by pid, and the home removed.
 *
 * @param configs are added
 * @param parent of the home
 */
export async function createMachine(
  { configs = [], ...options }: StsServerOptions & { readonly configs?: readonly string[] } = {},
  parent = tmpdir(),
) {
  const home = mkdtempSync(join(parent, "keyhole-e2e-"));
  const sts: Sts = startSts(options);
  const environment: Record<string, string> = {
    HOME: home,
    PATH: "/usr/local/bin:/usr/bin:/bin",
    AWS_ACCESS_KEY_ID: sts.root.accessKeyId,
    AWS_SECRET_ACCESS_KEY: sts.root.secretAccessKey,
    // The endpoint is in each config: one from a variable makes a session of its own. What misses it ends here.
    HTTPS_PROXY: "http://127.0.0.1:9",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const paths = {
    home: join(home, ".keyhole"),
    configs: join(home, ".keyhole", "configs"),
    socket: join(home, ".keyhole", "sock", "daemon.sock"),
    lock: join(home, ".keyhole", "sock", "daemon.lock"),
    log: join(home, ".keyhole", "logs", "daemon.log"),
  };
  mkdirSync(join(home, "work"));

  function spawn(words: readonly string[], { env, cwd, stdin, under = [], program }: RunOptions = {}) {
    const merged = Object.entries({ ...environment, ...env }).filter((entry) => entry[1] !== undefined);
    return Bun.spawn([...under, program ?? executable, ...words], {
      env: Object.fromEntries(merged) as Record<string, string>,
      cwd: cwd ?? join(home, "work"),
      stdin: stdin === undefined ? "ignore" : Buffer.from(stdin),
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** Runs `keyhole WORDS` to its end. */
  async function run(words: readonly string[], runOptions?: RunOptions): Promise<Result> {
    return resultOf(spawn(words, runOptions));
  }

  /** `keyhole` with words separated by single spaces, which must succeed. Returns stdout. */
  async function keyhole(command: string, runOptions?: RunOptions): Promise<string> {
    const result = await run(command.split(" "), runOptions);
    if (result.exitCode !== 0) throw new Error(`keyhole ${command}: exit ${result.exitCode}\n${result.stderr}`);
    return result.stdout;
  }

  /** The words that add a config for `arn:aws:iam::111122223333:role/NAME`, with these `--set` values. */
  function adding(name: string, ...set: readonly string[]): string[] {
    const values = [`STS.endpoint_url=${sts.url}`, ...set].flatMap((value) => ["--set", value]);
    return ["config", "add", "-n", name, "--role-arn", roleArn(name), ...values];
  }

  function daemonPid(): number | undefined {
    const text = existsSync(paths.lock) ? readFileSync(paths.lock, "utf8").trim() : "";
    const pid = Number(text);
    return text !== "" && isAlive(pid) ? pid : undefined;
  }

  const machine = {
    home,
    paths,
    sts,
    environment,
    spawn,
    run,
    keyhole,
    daemonPid,
    /** The log's lines. */
    log: (): Record<string, unknown>[] =>
      existsSync(paths.log)
        ? readFileSync(paths.log, "utf8")
            .trimEnd()
            .split("\n")
            .map((line) => JSON.parse(line) as Record<string, unknown>)
        : [],
    adding,
    addConfig: (name: string, ...set: readonly string[]) => keyhole(adding(name, ...set).join(" ")),
    async [Symbol.asyncDispose]() {
      const pid = daemonPid();
      if (pid !== undefined) {
        process.kill(pid, "SIGKILL");
        await until(() => !isAlive(pid));
      }
      await sts.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
  for (const name of configs) await machine.addConfig(name);
  return machine;
}

/** The text of a config as `addConfig` makes it, with more below AssumeRole and below STS. */
export function configText({ sts }: Pick<Machine, "sts">, name: string, more = "", moreOfSts = ""): string {
  return `STS:\n  endpoint_url: ${sts.url}\n${moreOfSts}AssumeRole:\n  RoleArn: ${roleArn(name)}\n${more}`;
}

export function roleArn(name: string): string {
  return `arn:aws:iam::111122223333:role/${name}`;
}
