// A home directory, a test STS and a source over them: nothing of the developer's is read.
import { build } from "../../src/version.ts";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { systemClock } from "../../src/clock.ts";
import { type Codes, createCodes, createUsedCodes } from "../../src/sources/codes.ts";
import { createDirectTransport } from "../../src/sources/sts/direct.ts";
import type { AssumeRequest, CredentialSource, SourceEnvironment } from "../../src/sources/source.ts";
import { createStsSource, type StsSourceOptions } from "../../src/sources/sts.ts";
import { type Sts, startSts, type StsServerOptions } from "../sts/server.ts";

export const ROLE = "arn:aws:iam::111122223333:role/demo";
export const SOCKET = "/run/keyhole-test/daemon.sock";

/** The resolver as the daemon runs it, from the sources. */
export const RESOLVER = [process.execPath, join(import.meta.dir, "../../src/main.ts"), "--resolve-source", build];
export const READER = [process.execPath, join(import.meta.dir, "../../src/main.ts"), "--read-files", "stamps"];

/** A directory of its own; `write` makes files in it and gives their paths. */
export interface Home {
  readonly path: string;
  write(name: string, text: string, mode?: number): string;
  remove(): void;
}

export function makeHome(): Home {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "keyhole-sources-")));
  return {
    path,
    write: (name, text, mode = 0o600) => {
      const file = join(path, name);
      mkdirSync(join(file, ".."), { recursive: true });
      writeFileSync(file, text, { mode });
      return file;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

export interface World {
  readonly sts: Sts;
  readonly codes: Codes;
  readonly home: Home;
  readonly source: CredentialSource;
  /** A requester's environment that leads to the test STS and to no instance metadata; not to its root keys. */
  readonly environment: SourceEnvironment;
  /** The STS's root keys, as a requester exports them. */
  readonly keys: SourceEnvironment;
  /** A request for ROLE with the root keys, unless told otherwise. */
  request(change?: Change): AssumeRequest;
  end(): Promise<void>;
}

interface Change {
  readonly name?: string;
  readonly assume?: Partial<Config["AssumeRole"]>;
  readonly config?: Omit<Config, "AssumeRole">;
  /** Instead of the root keys. */
  readonly environment?: SourceEnvironment;
  readonly signal?: AbortSignal;
}

export function makeWorld(server: StsServerOptions = {}, options: Partial<StsSourceOptions> = {}): World {
  const sts = startSts(server);
  const home = makeHome();
  const environment = {
    HOME: home.path,
    PATH: process.env["PATH"] ?? "",
    AWS_ENDPOINT_URL_STS: sts.url,
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const keys = { AWS_ACCESS_KEY_ID: sts.root.accessKeyId, AWS_SECRET_ACCESS_KEY: sts.root.secretAccessKey };
  const { clock = systemClock } = options;
  const used = createUsedCodes(clock);
  const codes = createCodes(clock, used);
  const source = createStsSource({
    codes,
    used,
    clock,
    user: () => "tester",
    socketPath: SOCKET,
    transport: createDirectTransport({ clock: systemClock }),
    command: RESOLVER,
    reader: READER,
    base: {},
    ...options,
  });
  return {
    sts,
    codes,
    home,
    source,
    environment,
    keys,
    request: ({ name = "demo", assume, config, environment: own = keys, signal } = {}) => ({
      name,
      config: { ...config, AssumeRole: { RoleArn: ROLE, ...assume } },
      environment: { ...environment, ...own },
      signal: signal ?? new AbortController().signal,
      surroundings: undefined,
      asksSurroundings: false,
      isForAll: false,
      bound: undefined,
      turn: (_, call) => call(),
    }),
    end: async () => {
      await sts.stop();
      home.remove();
    },
  };
}
