// What the checks of a sandbox may look at. Nothing of it names an ARN, and no message of theirs does.
import type { Environment } from "../../environment.ts";
import { DEFAULT_MOUNT } from "../../grants/grant.ts";
import { directoryOf } from "../../paths.ts";
import type { Settings } from "../../settings.ts";
import type { Host } from "../command.ts";
import { ownGrantDirectory } from "../where.ts";
import { readText } from "./files.ts";
import { splitWords } from "./processes.ts";
import type { Probes } from "./probes.ts";

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
  readonly deliver: "socket" | "file";
}

/** Paths that do not depend on whoever runs here. */
export interface InsidePlaces {
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
  const process = splitWords(line);
  return { path, process, deliver: process[0] === "cat" ? "file" : "socket" };
}

/** Whether AWS_CONTAINER_CREDENTIALS_FULL_URI leads to this network namespace's own loopback, as a relay's does. */
export function relayOf(environment: Environment): URL | undefined {
  const url = URL.parse(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] ?? "");
  return url !== null && url.protocol === "http:" && /^(?:127\.[\d.]+|\[::1\]|localhost)$/.test(url.hostname)
    ? url
    : undefined;
}
