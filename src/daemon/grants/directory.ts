// Where a grant is found: its directory with the texts and the executable in it, and its socket. And how many descriptors
// grants may take: each has a directory and a listener, and all their connections share the rest.
import type { Clock } from "../../clock.ts";
import { regionOf } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { type Arch, archOf, type Grant, type GrantMachine } from "../../grants/grant.ts";
import { mountFiles } from "../../grants/mount.ts";
import { MOST_AT_ONCE } from "../../server/connection.ts";
import { listen, type Listener, type ListenerOptions } from "../../server/listener.ts";
import type { LimitedLog } from "../../server/log.ts";
import { GRANT_REQUEST_LIMIT } from "../../wire/frame.ts";
import type { ExecutableSource } from "../mounts/executable.ts";
import { type Mount, openMount } from "../mounts/mount.ts";
import type { LiveGrant } from "./livegrants.ts";
import type { GrantSocket } from "./socket.ts";

export interface DirectoryDependencies {
  /** The parent of the directories of grants that are delivered over a socket. */
  readonly mounts: string;
  /** The same for leases. @throws KeyholeError `unsafe-path` where they would be written to a disk. */
  readonly leaseParentOf: (name: string) => string;
  /** What its copies of the executable are made from; undefined where keyhole runs from source. Throws KeyholeError. */
  readonly executable: (() => ExecutableSource) | undefined;
  /** The small one; undefined where keyhole runs from source. */
  readonly smallExecutable: (arch: Arch) => Uint8Array | undefined;
  readonly machine: GrantMachine;
  readonly identify: ListenerOptions["identify"];
  readonly duplicate?: ListenerOptions["duplicate"];
  /** Called when a grant has one connection more. */
  readonly accepted: () => void;
  readonly clock: Clock;
  readonly log: LimitedLog;
}

/** Any uid that a container maps to may read and connect; the directories above keep others out. */
const TEXT_MODE = 0o444;
const SOCKET_MODE = 0o666;

/**
 * Opens a grant's directory, and makes it where it is missing. The name of one for leases also stands in `<home>/g`: what
 * is in memory is gone when the machine is started again, and recipes name the path.
 *
 * @param name of the directory
 * @throws KeyholeError `unsafe-path`
 */
export function openGrantDirectory(
  { deliver }: Pick<Grant, "deliver">,
  name: string,
  { mounts, leaseParentOf }: DirectoryDependencies,
): Mount {
  if (deliver !== "file") return openPlain(mounts, name);
  const mount = openPlain(leaseParentOf(name), name);
  try {
    openMount(mounts, name).close();
  } catch (error) {
    mount.close();
    throw error;
  }
  const remove = () => {
    try {
      mount.remove();
    } finally {
      openMount(mounts, name).remove();
    }
  };
  return { ...mount, remove };
}

function openPlain(parent: string, name: string): Mount {
  if (/\p{Cc}/u.test(parent)) {
    throw new KeyholeError(
      "unsafe-path",
      "the path of the grant's directory has a newline or another control in it, and what is to be pasted would break there",
      "start the daemon with KEYHOLE_HOME and XDG_RUNTIME_DIR on plain paths",
    );
  }
  return openMount(parent, name);
}

/**
 * Writes what is missing or differs.
 *
 * @param region that the config names, if it does
 * @throws KeyholeError `unsafe-path`, and `usage` for a path that no `credential_process` can say
 */
export function writeTexts({ grant, mount }: Pick<LiveGrant, "grant" | "mount">, region: string | undefined): void {
  const files = mountFiles(grant, { directory: mount.path, region: region ?? regionOf(grant.environment) });
  for (const [name, text] of Object.entries(files) as [keyof typeof files, string][])
    mount.write(name, Buffer.from(text), TEXT_MODE);
}

/** Of a grant whose region is not yet known: a sandbox that runs keeps the texts that it has. */
export function writeMissingTexts(live: Pick<LiveGrant, "grant" | "mount">): void {
  if (!live.mount.has("aws-config")) writeTexts(live, undefined);
}

/** Resolves at once where this very executable is there. @throws KeyholeError `unsafe-path` */
export async function placeExecutable(
  mount: Mount,
  { executable, arch }: Pick<Grant, "executable" | "arch">,
  { executable: full, smallExecutable, machine }: DirectoryDependencies,
): Promise<void> {
  if (executable === "none") return;
  const wanted = executable === "full" ? full?.() : smallExecutable(arch ?? archOf(machine.cpu));
  if (wanted !== undefined) await mount.placeExecutable(wanted);
}

/** Replaces whatever stands at the socket's name in one step, so that a client meets the old socket or the new one. */
export function openSocket(
  { mount }: LiveGrant,
  socket: GrantSocket,
  options: DirectoryDependencies,
): Promise<Listener> {
  const { identify, duplicate, accepted, clock, log } = options;
  return listen({
    path: mount.makeWay("sock"),
    mode: SOCKET_MODE,
    replaces: true,
    maxConnections: GRANT_CONNECTIONS,
    requestLimit: GRANT_REQUEST_LIMIT,
    mostAtOnce: MOST_AT_ONCE,
    duplicate,
    identify,
    // Every process that reaches it may connect. Each request is checked, so that every refusal is the same.
    isAllowed: () => true,
    accepted,
    dispatch: socket.dispatch,
    refusal: socket.refusal,
    clock,
    log,
  });
}

const GRANT_CONNECTIONS = 32;

/** Descriptors of a grant without a connection: its directory and its listener. */
const HELD_BY_GRANT = 2;

/** And of one that signs: the pipes of its signer, and one for its end. */
const HELD_BY_SIGNER = 3;

/** Bounds the list of grants where descriptors do not. */
const MOST_GRANTS = 4_096;

/** Of what grants take, as far as it is counted here. */
export interface Crowded {
  readonly connections: number;
  yieldOne(): void;
}

export interface GrantBounds {
  readonly mostGrants: number;
  /** Connections that grants may have at once. @param signing how many of them sign */
  connections(grants: number, signing: number): number;
}

/**
 * How many connections the control socket may have, and how many descriptors grants may take. Where there are few, half
 * of them are the control socket's, and no flood on one side starves the other.
 *
 * @param available Infinity where nothing bounds them
 * @param wanted connections of the control socket
 */
export function divideDescriptors(available: number, wanted: number): { control: number; grants: number } {
  const control = Math.max(1, Math.min(wanted, Math.ceil(available / 2)));
  return { control, grants: Math.max(0, available - control) };
}

/** @param descriptors that grants may take in all; Infinity where there is no limit */
export function boundGrants(descriptors: number): GrantBounds {
  // Half of them at least are for connections.
  const mostGrants = Math.max(0, Math.min(MOST_GRANTS, Math.floor(descriptors / (2 * HELD_BY_GRANT))));
  return {
    mostGrants,
    connections: (grants, signing) => Math.max(1, descriptors - HELD_BY_GRANT * grants - HELD_BY_SIGNER * signing),
  };
}

/** One connection more was accepted: if that is too many, the grant with the most of them loses one. */
export function dropFullest(listeners: readonly Crowded[], most: number): void {
  let total = 0;
  let fullest: Crowded | undefined;
  for (const listener of listeners) {
    total += listener.connections;
    if (listener.connections > (fullest?.connections ?? 0)) fullest = listener;
  }
  if (total > most) fullest?.yieldOne();
}
