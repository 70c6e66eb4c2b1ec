// What the checks may look at: of the host, and of a sandbox, where nothing names an ARN, and no message does.
import type { Environment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { identifyPeer } from "../../native/native.ts";
import type { Settings } from "../../settings.ts";
import { askIfKnown, askStatus, type FullStatus } from "../daemon/status.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import { withDaemon } from "../daemon/broker.ts";
import type { SharedFiles } from "../reading-in-child.ts";
import { DEFAULT_MOUNT, type Delivery } from "../../grants/grant.ts";
import { directoryOf } from "../../paths.ts";
import type { Host } from "../command.ts";
import { ownGrantDirectory } from "../where.ts";
import { splitWords } from "../../text/quoting.ts";
import { readText } from "./files.ts";
import type { Probes } from "./probes.ts";

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

/** What the daemon says, or why it says nothing. */
type DaemonView =
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

export interface InsideMachine {
  /** ~/.aws and the like, which may not answer. */
  readonly readForeign: Host["readForeign"];
  readonly environment: Environment;
  /** The grant's directory as it is seen here; undefined where there is none. */
  readonly grant: GrantDirectory | undefined;
  /** HOME; undefined where there is none. */
  readonly home: string | undefined;
  readonly uid: number;
  /** Where keyhole's own files would lie, and its control socket. */
  readonly keyholeHome: string;
  readonly controlSocket: string;
  /** Milliseconds since the epoch, by this sandbox's clock. */
  readonly now: number;
  readonly places: InsidePlaces;
  readonly probes: Probes;
}

export interface GrantDirectory {
  readonly path: string;
  /** What the AWS config there runs; empty for none. */
  readonly process: readonly string[];
  readonly deliver: Delivery;
}

/** Paths that do not depend on the user. */
interface InsidePlaces {
  /** boto 2's system-wide file, which botocore still reads. */
  readonly botoConfig: string;
  readonly engineSockets: readonly string[];
  readonly kernel: string;
  /** Of Docker and Podman. */
  readonly containerMarks: readonly string[];
  readonly proc: string;
  /** Where leases may lie: `/run` and `/dev`. */
  readonly run: string;
  readonly devices: string;
}

export const SYSTEM_PLACES: InsidePlaces = {
  botoConfig: "/etc/boto.cfg",
  engineSockets: ["/var/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock"],
  kernel: "/proc/version",
  containerMarks: ["/.dockerenv", "/run/.containerenv"],
  proc: "/proc",
  run: "/run",
  devices: "/dev",
};

/** The one that was named, that this executable lies in, that the AWS config is of, or the usual one. */
export function findGrantDirectory(
  settings: Settings,
  environment: Environment,
  host: Pick<Host, "command">,
  usual = DEFAULT_MOUNT,
): GrantDirectory | undefined {
  const config = environment["AWS_CONFIG_FILE"];
  const places = [
    settings.isSocketNamed ? directoryOf(settings.paths.socket) : undefined,
    ownGrantDirectory(host),
    config?.endsWith("/aws-config") === true ? directoryOf(config) : undefined,
    usual,
  ];
  for (const path of places) {
    const text = path === undefined ? undefined : readText(`${path}/aws-config`);
    if (path !== undefined && text !== undefined) return describe(path, text);
  }
  return undefined;
}

function describe(path: string, config: string): GrantDirectory {
  const [, line = ""] = /^credential_process = (.*)$/m.exec(config) ?? [];
  const process = splitWords(line) ?? [];
  const signs = /^services = keyhole$/m.test(config);
  return { path, process, deliver: signs ? "sign" : process[0] === "cat" ? "file" : "socket" };
}

/** Whether AWS_CONTAINER_CREDENTIALS_FULL_URI leads to this network namespace's own loopback, as a relay's does. */
export function relayOf(environment: Environment): URL | undefined {
  const url = URL.parse(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] ?? "");
  return url !== null && url.protocol === "http:" && /^(?:127\.[\d.]+|\[::1\]|localhost)$/.test(url.hostname)
    ? url
    : undefined;
}
