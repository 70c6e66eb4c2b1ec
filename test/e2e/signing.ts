// A machine with a grant that signs towards a server of AWS's kind, and programs behind its relay.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Certificate } from "../sts/tls.ts";
import { addGrant, createHost, inside } from "./granthost.ts";
import type { Machine, Result } from "./machine.ts";
import { resultOf } from "../processes.ts";
import { startUpstream } from "./upstream.ts";

interface SigningOptions {
  /** Of `grant add`. */
  readonly words?: string;
  readonly answer?: Parameters<typeof startUpstream>[1];
  /** Of the server, whose authority the config then names. */
  readonly certificate?: Certificate;
  /** Before anything is asked of it. */
  readonly prepare?: (machine: Machine) => void;
}

export type Signing = Awaited<ReturnType<typeof startSigning>>;

/** Use with `await using`. */
export async function startSigning({ words = "", answer, certificate, prepare }: SigningOptions = {}) {
  const machine = await createHost();
  // The proxy keeps what misses its endpoint from leaving the machine.
  machine.environment["NO_PROXY"] = "127.0.0.1";
  prepare?.(machine);
  const upstream = await startUpstream(machine, answer, certificate);
  const settings = [`Sign.endpoint_url=${upstream.url}`, "STS.region_name=eu-west-1"];
  if (certificate !== undefined) {
    const authority = join(machine.home, "authority.pem");
    writeFileSync(authority, certificate.cert);
    settings.push(`STS.verify=${authority}`);
  }
  await machine.addConfig("aws", ...settings);
  const directory = await addGrant(machine, `box --config aws --mount-at host --sign ${words}`.trimEnd());
  const port = Number(/127\.0\.0\.1:(\d+)\/s3$/m.exec(readFileSync(join(directory, "aws-config"), "utf8"))![1]);
  const program = join(directory, "keyhole");
  const children: Bun.ReadableSubprocess[] = [];
  /** Starts a program in what a sandbox has of the environment. @param under what makes a sandbox */
  const spawn = (
    command: readonly string[],
    env: Readonly<Record<string, string | undefined>> = {},
    under: readonly string[] = [],
  ) => {
    const child = machine.spawn(["relay", "--", ...command], { program, under, env: { ...inside, ...env } });
    children.push(child);
    return child;
  };
  return {
    machine,
    upstream,
    directory,
    port,
    spawn,
    run: async (...parameters: Parameters<typeof spawn>): Promise<Result> => resultOf(spawn(...parameters)),
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill("SIGKILL");
      await upstream[Symbol.asyncDispose]();
      await machine[Symbol.asyncDispose]();
    },
  };
}
