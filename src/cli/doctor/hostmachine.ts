// What the checks of the host may look at.
import type { Environment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { identifyPeer } from "../../native/native.ts";
import type { Settings } from "../../settings.ts";
import { askIfKnown, askStatus, type FullStatus } from "../daemon/status.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import { withDaemon } from "../daemon/broker.ts";
import type { SharedFiles } from "../foreign.ts";

export interface HostMachine extends SharedFiles {
  readonly settings: Settings;
  /** Of this shell, without what keyhole put into it. */
  readonly environment: Environment;
  /** The words that start keyhole again. */
  readonly command: readonly string[];
  readonly uid: number;
  readonly platform: NodeJS.Platform;
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly now: number;
  readonly daemon: DaemonView;
  /** `/proc`, `/run` and `/dev`. */
  readonly proc: string;
  readonly run: string;
  readonly devices: string;
  /** What an executable says its version is; undefined where it says nothing that is one. */
  readonly versionOf: (executable: string) => Promise<string | undefined>;
}

/** What the daemon says, or why nobody says anything. */
export type DaemonView =
  | (FullStatus & {
      /** Whose process it is. */
      readonly uid: number;
      /** Undefined if it does not say. */
      readonly proxies: ResponseOf<"Proxies">["proxies"] | undefined;
    })
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
        const { uid } = link.identify((socket) => identifyPeer(loadNative(), socket));
        const full = await askStatus(link);
        const proxies = await askIfKnown(() => link.request("Proxies", {}));
        return { uid, ...full, proxies: proxies?.proxies };
      },
      { isPatient: false },
    );
  } catch (failure) {
    if (failure instanceof KeyholeError) return { failure };
    throw failure;
  }
}

/** Runs `EXECUTABLE --version` without this shell's environment. */
export async function askVersion(executable: string): Promise<string | undefined> {
  const child = Bun.spawn([executable, "--version"], {
    cwd: "/",
    env: { HOME: "/", PATH: "/usr/bin:/bin" },
    // None is ignored: that is /dev/null, which an empty root does not have.
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    timeout: PATIENCE,
    killSignal: "SIGKILL",
  });
  const text = await new Response(child.stdout).text();
  const [, version] = /^keyhole (\S{1,64})\n$/.exec(text) ?? [];
  return version;
}
