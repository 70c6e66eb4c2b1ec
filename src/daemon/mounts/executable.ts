// Copies of the executable: a private one per version, and from it one in each mount. Never a hard link: a sandbox's
// root that was given the directory writable would own what the host runs.
import * as fs from "node:fs";
import { constants } from "node:fs";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { COPY_MODE, copyName, isCopyOf } from "../../files/copies.ts";
import { pathError } from "../../files/trust.ts";
import { isTemporary, temporaryName } from "../../files/writing.ts";
import { type Pinned, pinDirectory } from "./pinned.ts";
import { discard, install, isOurs, keepsChanging, openEntry } from "./placing.ts";

export interface PrivateCopyOptions {
  /** `<home>/bin`; made if it is missing. */
  readonly binDir: string;
  /** Of version.ts: names the copy. */
  readonly build: string;
  /** What this process runs. */
  readonly source: string;
}

/** What copies in mounts are made from. */
export interface ExecutableSource {
  readonly path: string;
  /** The file by whose size and age they are known: not that of an original that was made with any age. */
  readonly stamp: string;
}

/** What a copy is known by, beside its size. */
interface Wanted extends ExecutableSource {
  readonly name: string;
  readonly mode: number;
  /** Whether one that is there will do. */
  readonly isGood: (found: fs.Stats, original: fs.Stats) => boolean;
  /** Whether the copy gets its original's time. */
  readonly keepTime: boolean;
}

/** Of a copy, which is 100 MB, against a process that swaps entries in a loop. */
const ATTEMPTS = 3;
/** In a mount. */
export const EXECUTABLE = "keyhole";
/** Every user may run it. */
export const EXECUTABLE_MODE = 0o555;
/** Milliseconds: a time that was set went through a Date. */
const TIME_PRECISION = 2;

/**
 * Makes this build's private copy where it is missing.
 *
 * @returns its path; rejects with KeyholeError `unsafe-path`, also where there is no room for it
 */
export async function makePrivateCopy({ binDir, build, source }: PrivateCopyOptions): Promise<string> {
  ensurePrivateDirectory(binDir);
  const name = copyName(build);
  const directory = pinDirectory(binDir);
  try {
    const wanted = { path: source, stamp: source, name, mode: COPY_MODE, isGood: isCopyOf, keepTime: false };
    await copyInto(directory, wanted, () => true);
    return `${binDir}/${name}`;
  } finally {
    directory.close();
  }
}

/** Removes the private copies of other builds than `kept`, and those that were not finished. What resists stays. */
export function removeCopies(binDir: string, kept: string | undefined): void {
  let directory: Pinned | undefined;
  try {
    directory = pinDirectory(binDir);
    for (const name of fs.readdirSync(directory.base())) {
      const isCopy = name.startsWith("keyhole-") && (kept === undefined || name !== copyName(kept));
      if (isCopy || isTemporary(name)) discard(directory, name);
    }
  } catch {
    // There is none, or it is none of ours to clean.
  } finally {
    directory?.close();
  }
}

/**
 * Puts the executable into a mount, unless this very one is there. The copying is done by another thread, and in the
 * kernel: a reflink where the file system has them.
 *
 * @param isWanted false once the mount is closed: then nothing more is done
 * @returns the inode of a reflink that was made; rejects with KeyholeError `unsafe-path`, also for a full disk, and leaves
 *   nothing behind
 */
export function copyToMount(
  directory: Pinned,
  source: ExecutableSource,
  isWanted: () => boolean,
): Promise<number | undefined> {
  const wanted = { ...source, name: EXECUTABLE, mode: EXECUTABLE_MODE, isGood: isSame, keepTime: true };
  return copyInto(directory, wanted, isWanted);
}

function isSame(found: fs.Stats, original: fs.Stats): boolean {
  const isRight = (found.mode & 0o7777) === EXECUTABLE_MODE && found.size === original.size;
  return isOurs(found) && isRight && Math.abs(found.mtimeMs - original.mtimeMs) < TIME_PRECISION;
}

/** The inode of a reflink that was made. */
async function copyInto(directory: Pinned, wanted: Wanted, isWanted: () => boolean): Promise<number | undefined> {
  const path = `${directory.path}/${wanted.name}`;
  try {
    const original = fs.statSync(wanted.stamp);
    for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
      const found = fs.lstatSync(`${directory.base()}/${wanted.name}`, { throwIfNoEntry: false });
      if (found !== undefined && wanted.isGood(found, original)) return undefined;
      const made = await tryCopy(directory, wanted, original, isWanted);
      if (made !== undefined) return made.isReflink ? made.inode : undefined;
    }
  } catch (error) {
    if (isWanted()) throw pathError(error, path, "copy the executable to");
    return undefined;
  }
  throw keepsChanging(path);
}

/** Undefined where another process's stands there then. */
async function tryCopy(
  directory: Pinned,
  wanted: Wanted,
  original: fs.Stats,
  isWanted: () => boolean,
): Promise<{ readonly isReflink: boolean; readonly inode: number } | undefined> {
  const temporary = temporaryName(wanted.name);
  const path = `${directory.base()}/${temporary}`;
  try {
    const isReflink = await tryReflink(wanted.path, path);
    if (!isReflink) {
      requireRoom(directory, original.size);
      await fs.promises.copyFile(wanted.path, path, constants.COPYFILE_EXCL);
    }
    if (!isWanted()) return { isReflink: false, inode: 0 };
    const made = finish(path, wanted, original);
    const isThere = made !== undefined && install(directory, temporary, wanted.name, made);
    return isThere ? { isReflink, inode: made.ino } : undefined;
  } finally {
    discard(directory, temporary);
  }
}

/** False where the file system has none, or the two files are in different ones; then nothing is there. */
async function tryReflink(from: string, to: string): Promise<boolean> {
  try {
    await fs.promises.copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    fs.rmSync(to, { force: true });
    return false;
  }
}

/** A copy that does not fit would fill the disk before it fails. Some file systems do not say how large they are. */
function requireRoom(directory: Pinned, bytes: number): void {
  const { blocks, bavail, bsize } = fs.statfsSync(directory.base());
  if (blocks > 0 && bavail * bsize < bytes) throw Object.assign(new Error("no room"), { code: "ENOSPC" });
}

/** Gives a copy its mode and time; undefined for what is not the whole copy, and nothing but that. */
function finish(path: string, { mode, keepTime }: Wanted, original: fs.Stats): fs.Stats | undefined {
  const descriptor = openEntry(path);
  if (descriptor === undefined) return undefined;
  try {
    const stats = fs.fstatSync(descriptor);
    if (!isOurs(stats) || stats.size !== original.size) return undefined;
    fs.fchmodSync(descriptor, mode);
    // An original from the future has a copy that is no older.
    const time = keepTime ? original.mtime : new Date(Math.max(stats.mtimeMs, Math.ceil(original.mtimeMs)));
    fs.futimesSync(descriptor, time, time);
    return fs.fstatSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

type Cpu = "x64" | "arm64";

/** In base64; absent where keyhole runs from source. */
declare const KEYHOLE_SMALL: Readonly<Record<Cpu, string>> | undefined;

/**
 * The small executable for Linux on one CPU (src/build/express/small.c), which build.ts puts here on every system:
 * containers are Linux. Undefined where keyhole runs from source.
 */
export function smallExecutable(cpu: Cpu): Uint8Array | undefined {
  return typeof KEYHOLE_SMALL === "object" ? Uint8Array.fromBase64(KEYHOLE_SMALL[cpu]) : undefined;
}
