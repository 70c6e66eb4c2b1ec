// Putting files into a directory that a sandbox may be changing: made under a random name, then renamed.
// What stands at the name is never written to, given a mode, or waited for.
import * as fs from "node:fs";
import { constants } from "node:fs";
import { isErrno, KeyholeError } from "../../errors.ts";
import { isSameFile } from "../../files/identity.ts";
import { lookAt, pathError } from "../../files/trust.ts";
import { temporaryName } from "../../files/writing.ts";
import { removeEntries } from "./clearing.ts";
import type { Pinned } from "./pinned.ts";

/** Of a write against a process that swaps entries in a loop. */
const ATTEMPTS = 8;

/** Follows no link, waits for no FIFO and no lease of fcntl(2), and takes no terminal. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Replaces a file, or does nothing where owner, content and mode are right already. Keeps no byte.
 *
 * @throws KeyholeError `unsafe-path`
 */
export function placeFile(directory: Pinned, name: string, bytes: Uint8Array, mode: number): void {
  const path = `${directory.path}/${name}`;
  try {
    for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
      if (holds(`${directory.base()}/${name}`, bytes, mode)) return;
      const temporary = temporaryName(name);
      try {
        if (install(directory, temporary, name, writeNew(`${directory.base()}/${temporary}`, bytes, mode))) return;
      } finally {
        discard(directory, temporary);
      }
    }
  } catch (error) {
    throw pathError(error, path, "write");
  }
  throw keepsChanging(path);
}

/** Renames a finished file to its name. False if another process's stands there then. */
export function install(directory: Pinned, temporary: string, name: string, made: fs.Stats): boolean {
  const entry = (of: string): string => `${directory.base()}/${of}`;
  for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
    try {
      fs.renameSync(entry(temporary), entry(name));
      return isSameFile(fs.lstatSync(entry(name), { throwIfNoEntry: false }), made);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return false;
      // A directory is in the way, or took the place of what was made.
      if (!isErrno(error, "EISDIR", "ENOTDIR", "ENOTEMPTY", "EEXIST")) throw error;
      discard(directory, name);
    }
  }
  return false;
}

/** Removes an entry if it can be removed; else it gets a name that is in no file's way. */
export function discard(directory: Pinned, name: string): void {
  const aside = temporaryName("old");
  try {
    fs.renameSync(`${directory.base()}/${name}`, `${directory.base()}/${aside}`);
    removeEntries(directory, [aside]);
  } catch {
    // It is gone; or it stays, and the removal of the whole directory reports it.
  }
}

/** A file that is there, open for reading; undefined for what is none. Any user may own it. */
export function openEntry(path: string): number | undefined {
  // Looked at before it is opened: opening a device may do something.
  if (fs.lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
  try {
    return fs.openSync(path, READ_FLAGS);
  } catch {
    return undefined;
  }
}

/** Whether it is a regular file of ours that has no other name. */
export function isOurs(stats: fs.Stats): boolean {
  return stats.isFile() && stats.uid === process.geteuid?.() && stats.nlink === 1;
}

export function keepsChanging(path: string): KeyholeError {
  return new KeyholeError("unsafe-path", `another process keeps changing ${path}`, lookAt(path));
}

function holds(path: string, bytes: Uint8Array, mode: number): boolean {
  const descriptor = openEntry(path);
  if (descriptor === undefined) return false;
  const found = Buffer.alloc(bytes.length);
  try {
    const stats = fs.fstatSync(descriptor);
    if (!isOurs(stats) || (stats.mode & 0o7777) !== mode || stats.size !== bytes.length) return false;
    return fs.readSync(descriptor, found, 0, found.length, 0) === bytes.length && found.equals(bytes);
  } finally {
    found.fill(0);
    fs.closeSync(descriptor);
  }
}

function writeNew(path: string, bytes: Uint8Array, mode: number): fs.Stats {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const descriptor = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    fs.writeFileSync(descriptor, bytes);
    fs.fchmodSync(descriptor, mode);
    return fs.fstatSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
