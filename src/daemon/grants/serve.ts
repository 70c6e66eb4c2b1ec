// The grants of this machine's user: what grants.ts needs, out of the files, the environment and the process.
import type { ConfigReader } from "../../config/config.ts";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { configNameOf } from "../../grants/grant.ts";
import { leaseParentOf } from "../../grants/leases.ts";
import { openGrantStore } from "../../grants/store.ts";
import type { Native } from "../../native/native.ts";
import type { Paths } from "../../paths.ts";
import { loadStartOf } from "../../server/starts.ts";
import { build } from "../../version.ts";
import { ownCommand } from "../image.ts";
import { takeLock } from "../lock.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { smallExecutable } from "../mounts/executable.ts";
import type { Keyring } from "../sessions/static-keys.ts";
import { MAX_FLIGHTS } from "../credential-source.ts";
import { createConfirmer, selectAskpass } from "./confirmation.ts";
import { createGrants, type Grants, type GrantsOptions } from "./grants.ts";

/** How long a person has to answer a grant's question, in milliseconds: less than the 20 s that a client waits. */
const CONFIRMATION = 15_000;

type Passed =
  | "source"
  | "names"
  | "counters"
  | "descriptors"
  | "identify"
  | "clock"
  | "log"
  | "record"
  | "recordSoon"
  | "executable";

export interface ServeGrantsOptions extends Pick<GrantsOptions, Passed> {
  readonly paths: Paths;
  readonly owner: number;
  readonly configs: ConfigReader;
  /** Of the configs. */
  readonly sessions: Pick<Sessions, "environmentOf">;
  readonly keyring: Pick<Keyring, "complete">;
  /** What children get of this process's environment. */
  readonly base: Readonly<Record<string, string>>;
  readonly native: Native;
}

/** Serves the grants that are defined. Never rejects. */
export function serveGrants(options: ServeGrantsOptions): Promise<Grants> {
  const { paths, owner, configs, sessions, keyring, base, native, clock, ...passed } = options;
  const places = {
    environment: base,
    runDir: paths.runDir,
    uid: owner,
    platform: process.platform,
    run: "/run",
    devices: "/dev",
  };
  return createGrants({
    ...passed,
    store: openGrantStore(paths.grantDir),
    configs,
    configDir: paths.defaultConfigDir,
    clock,
    random: Math.random,
    confirmer: createConfirmer({ clock, patience: CONFIRMATION }),
    askpassOf: (requester) => selectAskpass(requester, base),
    maxFlights: MAX_FLIGHTS,
    startOf: loadStartOf(),
    environmentOf: (config) => sessions.environmentOf(config),
    completeKeys: (kept, id) => keyring.complete(kept, id),
    regionOf: async (grant) => {
      const { config: name, environment } = grant;
      const { config } = configs.read(configNameOf(grant));
      const { signal } = new AbortController();
      return (await passed.source.wayOf({ name, config, environment, signal })).region;
    },
    duplicate: (descriptor) => native.duplicate(descriptor),
    takeLock: () => {
      ensurePrivateDirectory(paths.grantDir);
      return takeLock(`${paths.grantDir}/.lock`, native);
    },
    socketPath: paths.socket,
    machine: { platform: process.platform, cpu: process.arch },
    smallExecutable: (arch) => smallExecutable(arch === "arm64" ? "arm64" : "x64"),
    mounts: paths.grantMounts,
    signerCommand: [...ownCommand(), "--signer", build],
    signerDirectory: paths.runDir,
    signerEnvironment: { ...base, ...SIGNER_MEMORY },
    leaseParentOf: (name) => leaseParentOf(name, places),
  });
}

/**
 * What the collector takes for the machine's memory: it collects earlier when its process nears that. Bodies pass as garbage,
 * and 16 MiB less of it are resident for 5 % of the CPU time; with 64 MiB it is half of it, for 150 %.
 */
const SIGNER_MEMORY = {
  BUN_JSC_forceRAMSize: String(128 * 2 ** 20),
  // The last of the compilers takes 10 to 18 MiB more at the peak, and of the first thousand requests a quarter of the time.
  BUN_JSC_useFTLJIT: "0",
};
