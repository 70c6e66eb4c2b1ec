// What the checks of the host may look at.
import type { Environment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { identifyPeer } from "../../native/peer.ts";
import type { Settings } from "../../settings.ts";
import type { SharedConfig } from "../../sources/profile.ts";
import type { DaemonStatus, GrantInfo } from "../../wire/messages.ts";
import { withDaemon } from "../daemon/broker.ts";

export interface HostMachine {
  readonly settings: Settings;
  /** Of this shell. */
  readonly environment: Environment;
  /** The words that start keyhole again. */
  readonly command: readonly string[];
  readonly uid: number;
  readonly platform: NodeJS.Platform;
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly now: number;
  readonly daemon: DaemonView;
  readonly profiles: SharedConfig["profiles"];
  /** `/proc` and `/dev/shm`. */
  readonly proc: string;
  readonly sharedMemory: string;
  /** What an executable says its version is; undefined where it says nothing that is one. */
  readonly versionOf: (executable: string) => Promise<string | undefined>;
}

/** What the daemon says, or why nobody says anything. */
export type DaemonView =
  | {
      readonly status: DaemonStatus;
      /** Undefined for a daemon that knows no grants. */
      readonly grants: readonly GrantInfo[] | undefined;
      /** Whose process it is. */
      readonly uid: number;
    }
  | { readonly failure: KeyholeError };

/** Milliseconds; a daemon answers these from memory. */
const PATIENCE = 2000;

/** Asks the daemon that is there, and starts none. */
export async function lookAtDaemon(settings: Settings): Promise<DaemonView> {
  const patient = { ...settings, clientTimeout: Math.min(settings.clientTimeout, PATIENCE) };
  const { loadNative } = await import("../../native/load.ts");
  try {
    return await withDaemon(
      patient,
      async (link) => {
        const status = await link.request("Status", {});
        const { uid } = link.identify((socket) => identifyPeer(loadNative(), socket));
        return { status, uid, grants: await listGrants(() => link.request("GrantList", {})) };
      },
      { isPatient: false },
    );
  } catch (failure) {
    if (failure instanceof KeyholeError) return { failure };
    throw failure;
  }
}

async function listGrants(
  ask: () => Promise<{ readonly grants: readonly GrantInfo[] }>,
): Promise<readonly GrantInfo[] | undefined> {
  try {
    return (await ask()).grants;
  } catch (error) {
    if (error instanceof KeyholeError && error.kind === "unknown-message") return undefined;
    throw error;
  }
}

/** Runs `EXECUTABLE --version` without this shell's environment. */
export async function askVersion(executable: string): Promise<string | undefined> {
  const child = Bun.spawn([executable, "--version"], {
    cwd: "/",
    env: { HOME: "/", PATH: "/usr/bin:/bin" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    timeout: PATIENCE,
    killSignal: "SIGKILL",
  });
  const text = await new Response(child.stdout).text();
  const [, version] = /^keyhole (\S{1,64})\n$/.exec(text) ?? [];
  return version;
}
