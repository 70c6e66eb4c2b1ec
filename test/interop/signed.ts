// A sandbox without a network, with one grant that signs: what is run in it has no credential, and no way out but the grant.
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { quotePosix } from "../../src/text/quoting.ts";
import type { Result } from "../processes.ts";
import type { Broker } from "./broker.ts";
import { executables, type Rig } from "./rigs.ts";
import { type Environment, must, run } from "./run.ts";

/** bubblewrap's binary, which Debian's package brings. */
export const bubblewrap: Rig = { name: "bubblewrap", files: ["/usr/bin/bwrap"], install: "run test/gate/install.sh" };

export interface SignedSandbox {
  /** What a tool that reads no endpoint from its profile is told. */
  readonly endpoint: (service: string) => string;
  run(command: readonly string[], more?: readonly string[]): Promise<Result>;
  /** As `run`, for its stdout. @throws where it fails */
  readonly must: (command: readonly string[]) => Promise<string>;
}

/** Makes the grant, and starts each command as `grant show --for bwrap` says, with the tools mounted beside it. */
export async function signIn(
  broker: Broker,
  source: Environment,
  { name, options, work }: { readonly name: string; readonly options: readonly string[]; readonly work: string },
): Promise<SignedSandbox> {
  await broker.run(["grant", "add", name, "--sign", ...options], source);
  const { sign } = JSON.parse(await broker.run(["grant", "show", name, "--json"], {})) as { sign: { port: number } };
  const recipe = await broker.run(["grant", "show", name, "--for", "bwrap"], {});
  mkdirSync(`${work}/home`, { recursive: true });
  const cache = resolve(executables.moto, "../../..");
  const seen = [cache, resolve(import.meta.dir, "../.."), `${homedir()}/.pyenv`, executables.terraformProviders, work];
  const binds = seen.filter((path) => path !== null && existsSync(path)).map((path) => `--bind ${path} ${path}`);
  const shell = (command: readonly string[], more: readonly string[] = []): string[] => {
    const line = recipe
      .replace(/-- (?=\S+ relay )/, `${[...binds, ...more].join(" ")} -- `)
      .replace(/ sh$/m, ` ${command.map(quotePosix).join(" ")}`);
    return ["sh", "-c", line];
  };
  const environment = { PATH: "/usr/bin:/bin" };
  return {
    endpoint: (service) => `http://127.0.0.1:${sign.port}/${service}`,
    run: (command, more) => run(shell(command, more), environment, 120, `${work}/home`),
    must: (command) => must(shell(command), environment, 120, `${work}/home`),
  };
}
