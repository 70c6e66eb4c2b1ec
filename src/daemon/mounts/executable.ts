// Copies of the executable: a private one per version, and from it one in each mount. Never a hard link: a sandbox's
// root that was given the directory writable would own what the host runs.
import * as fs from "node:fs";
import { constants } from "node:fs";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { pathError } from "../../files/trust.ts";
import { isTemporary, temporaryName } from "./clearing.ts";
import { type Pinned, pinDirectory } from "./pinned.ts";
import { discard, install, isOurs, keepsChanging, openEntry } from "./placing.ts";

export interface PrivateCopyOptions {
  /** `<home>/bin`; made if it is missing. */
  readonly binDir: string;
  /** Of version.ts: names the copy. */
  readonly build: string;
  /** What this process runs: process.execPath. */
  readonly source: string;
}

/** What a copy is known by, beside its size. */
interface Wanted {
  readonly source: string;
  readonly name: string;
  readonly mode: number;
  /** Whether one that is there will do. */
  readonly isGood: (found: fs.Stats, original: fs.Stats) => boolean;
  /** Whether the copy gets its original's time. */
  readonly keepTime: boolean;
}

/** Of a copy, which is 100 MB, against somebody who swaps entries in a loop. */
const ATTEMPTS = 3;
/** Milliseconds: a time that was set went through a Date. */
const TIME_PRECISION = 2;

/**
 * The path of this build's private copy, as a function that makes it where it is missing, and removes those of other
 * builds. Callers at the same time share one copying.
 *
 * @returns rejects with KeyholeError `unsafe-path`
 */
export function createPrivateCopy(options: PrivateCopyOptions): () => Promise<string> {
  let flight: Promise<string> | undefined;
  return () => {
    flight ??= keepPrivateCopy(options).finally(() => {
      flight = undefined;
    });
    return flight;
  };
}

async function keepPrivateCopy({ binDir, build, source }: PrivateCopyOptions): Promise<string> {
  ensurePrivateDirectory(binDir);
  const name = `keyhole-${build.replaceAll(/[^\w.-]/g, "-")}`;
  const directory = pinDirectory(binDir);
  try {
    await copyInto(directory, { source, name, mode: 0o500, isGood: isNewer, keepTime: false }, () => true);
    for (const other of fs.readdirSync(directory.base())) {
      if (other !== name && (other.startsWith("keyhole-") || isTemporary(other))) discard(directory, other);
    }
    return `${binDir}/${name}`;
  } finally {
    directory.close();
  }
}

/**
 * Puts the executable into a mount, unless this very one is there. The copying is done by another thread, and in the
 * kernel: a reflink where the file system has them.
 *
 * @param source of `createPrivateCopy`
 * @param isWanted false once the mount is closed: then nothing more is done
 * @returns rejects with KeyholeError `unsafe-path`, also for a full disk; nothing is left behind.
 */
export function copyToMount(directory: Pinned, source: string, isWanted: () => boolean): Promise<void> {
  const wanted = { source, name: "keyhole", mode: 0o555, isGood: isSameAge, keepTime: true };
  return copyInto(directory, wanted, isWanted);
}

/** Not of its original's age: all files of some systems have one, and by their age the copies in mounts are told apart. */
function isNewer(found: fs.Stats, original: fs.Stats): boolean {
  return found.mtimeMs >= original.mtimeMs;
}

function isSameAge(found: fs.Stats, original: fs.Stats): boolean {
  return Math.abs(found.mtimeMs - original.mtimeMs) < TIME_PRECISION;
}

async function copyInto(directory: Pinned, wanted: Wanted, isWanted: () => boolean): Promise<void> {
  const path = `${directory.path}/${wanted.name}`;
  try {
    const original = fs.statSync(wanted.source);
    for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
      const found = fs.lstatSync(`${directory.base()}/${wanted.name}`, { throwIfNoEntry: false });
      if (found !== undefined && isThis(found, wanted, original)) return;
      if (await tryCopy(directory, wanted, original, isWanted)) return;
    }
  } catch (error) {
    if (isWanted()) throw pathError(error, path, "copy the executable to");
    return;
  }
  throw keepsChanging(path);
}

function isThis(found: fs.Stats, { mode, isGood }: Wanted, original: fs.Stats): boolean {
  return isOurs(found) && (found.mode & 0o7777) === mode && found.size === original.size && isGood(found, original);
}

async function tryCopy(
  directory: Pinned,
  wanted: Wanted,
  original: fs.Stats,
  isWanted: () => boolean,
): Promise<boolean> {
  const temporary = temporaryName(wanted.name);
  const path = `${directory.base()}/${temporary}`;
  try {
    await fs.promises.copyFile(wanted.source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    if (!isWanted()) return true;
    const made = finish(path, wanted, original);
    return made !== undefined && install(directory, temporary, wanted.name, made);
  } finally {
    discard(directory, temporary);
  }
}

/** Gives a copy its mode and time; undefined for what is not the whole copy, and nothing but that. */
function finish(path: string, { mode, keepTime }: Wanted, original: fs.Stats): fs.Stats | undefined {
  const descriptor = openEntry(path);
  if (descriptor === undefined) return undefined;
  try {
    const stats = fs.fstatSync(descriptor);
    if (!isOurs(stats) || stats.size !== original.size) return undefined;
    fs.fchmodSync(descriptor, mode);
    if (keepTime) fs.futimesSync(descriptor, original.mtime, original.mtime);
    return fs.fstatSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
