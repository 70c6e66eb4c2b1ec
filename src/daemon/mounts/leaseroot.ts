// Where leases live. They are credentials in a file: in memory where there is a file system for that, never in /tmp.
import { lstatSync, statfsSync } from "node:fs";
import type { Environment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";

export interface LeasePlaces {
  /** The daemon's, for XDG_RUNTIME_DIR. */
  readonly environment: Environment;
  /** `<home>/run`: for macOS, which has no file system in memory. */
  readonly runDir: string;
  readonly uid: number;
  readonly platform: NodeJS.Platform;
  /** `/dev/shm`. */
  readonly sharedMemory: string;
  /** `/run/user`: where pam_systemd(8) puts the runtime directory of each uid. */
  readonly userRuntimes: string;
}

/** linux/magic.h: TMPFS_MAGIC and RAMFS_MAGIC. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/**
 * The parent of a grant's directory, for `openMount`, which makes and checks what is missing. One that is there already
 * wins: a daemon that was started by cron has no XDG_RUNTIME_DIR, and a sandbox holds on to the directory it was given.
 *
 * @throws KeyholeError `unsafe-path` where leases would be written to a disk.
 */
export function leaseParentOf(id: string, places: LeasePlaces): string {
  const parents = leaseParents(places);
  const parent = parents.find((candidate) => isDirectory(`${candidate}/${id}`)) ?? parents[0];
  if (parent !== undefined) return parent;
  throw new KeyholeError(
    "unsafe-path",
    `leases need a file system in memory: neither XDG_RUNTIME_DIR nor ${places.sharedMemory} is a private one`,
    "deliver over the socket, or start the daemon with XDG_RUNTIME_DIR on tmpfs",
  );
}

/**
 * The best one first. The usual runtime directory comes last: only a lease that a daemon with XDG_RUNTIME_DIR left there
 * leads to it, so that one without can still replace it, above all by its end.
 */
function leaseParents(places: LeasePlaces): string[] {
  const { environment, runDir, uid, platform, sharedMemory, userRuntimes } = places;
  const parents: string[] = [];
  const runtime = environment["XDG_RUNTIME_DIR"]?.replace(/(?<=.)\/+$/, "") ?? "";
  if (runtime.startsWith("/") && isFit(runtime, uid)) parents.push(`${runtime}/keyhole/g`);
  if (isInMemory(sharedMemory)) parents.push(`${sharedMemory}/keyhole-${uid}/g`);
  if (isFit(`${userRuntimes}/${uid}`, uid)) parents.push(`${userRuntimes}/${uid}/keyhole/g`);
  if (platform === "darwin") parents.push(`${runDir}/g`);
  return parents;
}

function isFit(runtime: string, uid: number): boolean {
  return isOwn(runtime, uid) && isInMemory(runtime);
}

/** The XDG base directory specification asks for 0700; what counts is that nobody else can write there. */
function isOwn(path: string, uid: number): boolean {
  const stats = look(path);
  return stats !== undefined && stats.isDirectory() && stats.uid === uid && (stats.mode & 0o022) === 0;
}

function isInMemory(path: string): boolean {
  try {
    return IN_MEMORY.has(statfsSync(path).type >>> 0);
  } catch {
    return false;
  }
}

function isDirectory(path: string): boolean {
  return look(path)?.isDirectory() === true;
}

function look(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
