// Where leases may lie: they are credentials in a file, so in a file system in memory that is this user's alone, and never
// below /dev, which sandboxes cover with a /dev of their own.
import { lstatSync, realpathSync, statfsSync, type Stats } from "node:fs";
import type { Environment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";

interface LeasePlaces {
  /** For XDG_RUNTIME_DIR. */
  readonly environment: Environment;
  readonly uid: number;
  /** `/run`: in it pam_systemd(8) puts the runtime directory of each uid, and it is root's own. */
  readonly run: string;
  /** `/dev` */
  readonly devices: string;
}

/** linux/magic.h: TMPFS_MAGIC and RAMFS_MAGIC. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** The parents that grants' directories may have, the best one first. They need not exist. */
export function leaseParents(places: LeasePlaces): string[] {
  const { uid, run } = places;
  const parents = [[runtimeOf(places), "keyhole"] as const, [`${run}/user/${uid}`, "keyhole"] as const];
  return [...parents, [run, `keyhole-${uid}`] as const]
    .filter(([runtime]) => isFit(runtime, places))
    .map(([runtime, name]) => `${runtime}/${name}/g`);
}

/** Where versions up to 0.1 put leases as well: such a one stays there, because a sandbox holds on to its directory. */
export function formerLeaseParents(places: LeasePlaces): string[] {
  const runtime = runtimeOf(places);
  const former = runtime.startsWith("/") ? [`${runtime}/keyhole/g`] : [];
  return [...former, `${places.devices}/shm/keyhole-${places.uid}/g`];
}

function runtimeOf({ environment }: LeasePlaces): string {
  return environment["XDG_RUNTIME_DIR"]?.replace(/(?<=.)\/+$/, "") ?? "";
}

/** Makes a place for leases, also for a daemon that runs already. */
export function leaseAdvice({ run, uid }: Pick<LeasePlaces, "run" | "uid">): string {
  const path = `${run}/user/${uid}`;
  return `sudo mkdir -p ${path} && sudo mount -t tmpfs -o uid=${uid},mode=0700 tmpfs ${path}`;
}

/** The XDG base directory specification asks for 0700; what counts is that no other user can write there. */
function isFit(runtime: string, { uid, devices }: LeasePlaces): boolean {
  if (!runtime.startsWith("/") || isBelow(runtime, devices)) return false;
  const stats = look(runtime);
  return stats?.isDirectory() === true && stats.uid === uid && (stats.mode & 0o022) === 0 && isInMemory(runtime);
}

/** Also by links above it: /run/shm may be /dev/shm. */
export function isBelow(path: string, directory: string): boolean {
  return [path, realPath(path)].some((each) => each === directory || each.startsWith(`${directory}/`));
}

export function isInMemory(path: string): boolean {
  try {
    return IN_MEMORY.has(statfsSync(path).type >>> 0);
  } catch {
    return false;
  }
}

/** The path itself where nothing is there. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

export interface LeaseRoot extends LeasePlaces {
  /** `<home>/run`: for macOS, which has no file system in memory. */
  readonly runDir: string;
  readonly platform: NodeJS.Platform;
}

/**
 * The parent of a grant's directory, for `openMount`, which makes and checks what is missing. One that is there already
 * wins: a daemon that was started by cron has no XDG_RUNTIME_DIR, and a sandbox holds on to the directory it was given.
 *
 * @throws KeyholeError `unsafe-path` where leases would be written to a disk.
 */
export function leaseParentOf(name: string, root: LeaseRoot): string {
  const parents = leaseParents(root);
  if (root.platform === "darwin") parents.push(`${root.runDir}/g`);
  const there = [...parents, ...formerLeaseParents(root)].find((parent) => isOwn(`${parent}/${name}`, root.uid));
  const parent = there ?? parents[0];
  if (parent !== undefined) return parent;
  throw new KeyholeError(
    "unsafe-path",
    `leases need a file system in memory outside of ${root.devices}: neither XDG_RUNTIME_DIR nor ${root.run}/user/${root.uid} is one of this user's own`,
    leaseAdvice(root),
  );
}

function isOwn(path: string, uid: number): boolean {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats !== undefined && stats.isDirectory() && stats.uid === uid;
  } catch {
    return false;
  }
}
