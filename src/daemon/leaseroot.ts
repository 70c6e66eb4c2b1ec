// Where leases live. They are credentials in a file: in memory where there is a file system for that, never in /tmp.
import { lstatSync, statfsSync } from "node:fs";
import type { Environment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";

export interface LeasePlaces {
  /** The daemon's, for XDG_RUNTIME_DIR. */
  readonly environment: Environment;
  /** `<home>/run`: for macOS, which has no file system in memory. */
  readonly runDir: string;
  readonly uid: number;
  readonly platform: NodeJS.Platform;
  /** `/dev/shm`. */
  readonly sharedMemory: string;
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

/** The best one first. */
function leaseParents({ environment, runDir, uid, platform, sharedMemory }: LeasePlaces): string[] {
  const parents: string[] = [];
  const runtime = environment["XDG_RUNTIME_DIR"]?.replace(/(?<=.)\/+$/, "") ?? "";
  if (runtime.startsWith("/") && isOwn(runtime, uid) && isInMemory(runtime)) parents.push(`${runtime}/keyhole/g`);
  if (isInMemory(sharedMemory)) parents.push(`${sharedMemory}/keyhole-${uid}/g`);
  if (platform === "darwin") parents.push(`${runDir}/g`);
  return parents;
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
