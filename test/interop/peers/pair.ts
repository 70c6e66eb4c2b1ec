// elhaz and keyhole side by side: one home, one STS, the same configs in the directory of each.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createMachine, executable, type RunOptions } from "../../e2e/machine.ts";
import { executables } from "../rigs.ts";

/** One of the two programs, with its daemon stopped. */
export interface Side {
  readonly name: "elhaz" | "keyhole";
  /** The program and the words that make it its daemon in the foreground. */
  readonly program: string;
  readonly home: string;
  readonly configs: string;
  readonly socket: string;
  readonly log: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly sts: Awaited<ReturnType<typeof createMachine>>["sts"];
  /** Runs it with words that are separated by single spaces. */
  run(words: string, options?: RunOptions): Promise<Outcome>;
  /** As `run`, with words that may hold spaces. */
  runWords(words: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** Writes `NAME.yaml`: below AssumeRole, and below STS, as much more as is given. */
  write(name: string, more?: string, moreOfSts?: string): string;
  text(name: string): string;
  mode(path: string): string;
  /** How often STS was asked AssumeRole since the side was opened. */
  calls(): number;
}

export interface Outcome {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The one that STS knows. */
export const MFA = { serialNumber: "arn:aws:iam::111122223333:mfa/device", code: "654321" } as const;

export async function createSide(name: Side["name"]): Promise<Side & AsyncDisposable> {
  const machine = await createMachine({ mfa: MFA });
  // elhaz's `whoami` asks by another client of boto3's than the one that the config configures.
  const forElhaz = { AWS_ENDPOINT_URL_STS: machine.sts.url, AWS_DEFAULT_REGION: "eu-west-1", HTTPS_PROXY: undefined };
  const home = join(machine.home, `.${name}`);
  const configs = join(home, "configs");
  const program = name === "keyhole" ? executable : executables.elhaz;
  const runWords: Side["runWords"] = async (words, options) => {
    const env = { ...(name === "elhaz" && forElhaz), ...options?.env };
    const { exitCode, stdout, stderr } = await machine.run(words, { program, ...options, env });
    return { exit: exitCode, stdout, stderr };
  };
  const run: Side["run"] = (words, options) => runWords(words.split(" ").filter(Boolean), options);
  const text = (config: string) => readFileSync(join(configs, `${config}.yaml`), "utf8");
  return {
    name,
    program,
    home: machine.home,
    configs,
    socket: join(home, "sock", "daemon.sock"),
    log: join(home, "logs", "daemon.log"),
    environment: machine.environment,
    sts: machine.sts,
    run,
    runWords,
    write(config, more = "", moreOfSts = "") {
      mkdirSync(configs, { recursive: true });
      const path = join(configs, `${config}.yaml`);
      const arn = `arn:aws:iam::111122223333:role/${config}`;
      const endpoint = `endpoint_url: ${machine.sts.url}\n  region_name: eu-west-1\n`;
      writeFileSync(path, `AssumeRole:\n  RoleArn: ${arn}\n${more}STS:\n  ${endpoint}${moreOfSts}`);
      return path;
    },
    text,
    mode: (path) => (statSync(path).mode & 0o777).toString(8),
    calls: () => machine.sts.count("AssumeRole"),
    async [Symbol.asyncDispose]() {
      if (existsSync(join(home, "sock"))) await run("daemon stop");
      await machine[Symbol.asyncDispose]();
    },
  };
}
