// Writing files so that a reader sees the old text or the new one, and a crash leaves one of the two; and opening those
// that stay open. Whatever is made here is the owner's alone, and never behind a link.
import * as fs from "node:fs";
import { constants } from "node:fs";
import { codeOf, isErrno, KeyholeError } from "../errors.ts";
import { baseOf, directoryOf } from "../paths.ts";
import { ensureDirectory } from "./directories.ts";
import { readTrusted, resolveLink } from "./reading.ts";
import { lookAt, pathError } from "./trust.ts";

/** Read and write for the owner. */
const PRIVATE_MODE = 0o600;

/** What a writer wants beside the text. */
export interface WriteOptions {
  /** Fail rather than replace. */
  readonly exclusive: boolean;
  /** Be on the disk before returning, for what cannot be made again. */
  readonly durable: boolean;
  /** The owner's alone if absent. */
  readonly mode?: number;
}

/**
 * Replaces a file or creates it, by rename of a finished copy.
 *
 * @returns false if `exclusive` and the file exists.
 * @throws KeyholeError `unsafe-path`
 */
export function writeAtomically(
  path: string,
  text: string | Uint8Array,
  { exclusive, durable, mode = PRIVATE_MODE }: WriteOptions,
): boolean {
  const directory = directoryOf(path);
  const temporary = `${directory}/${temporaryName(baseOf(path))}`;
  return withPath(path, "write", () => {
    try {
      writeNew(temporary, text, durable, mode);
      if (exclusive && !linkExclusively(temporary, path)) return false;
      if (!exclusive) fs.renameSync(temporary, path);
    } finally {
      fs.rmSync(temporary, { force: true });
    }
    if (durable) syncDirectory(directory);
    return true;
  });
}

/**
 * Replaces the text of a file that is not keyhole's, as it was read, and keeps that beside it; behind a link, in the file
 * that it leads to. The mode stays.
 *
 * @throws KeyholeError `unsafe-path`, also for a file that says something else by now, or is no UTF-8
 */
export function replaceForeign(path: string, before: string, after: string): void {
  const uid = process.geteuid?.() ?? 0;
  ensureDirectory(directoryOf(path), uid);
  const target = resolveLink(path, uid) ?? path;
  const file = readTrusted(target, uid, Buffer.byteLength(before));
  if (!(file === undefined ? before === "" : Buffer.from(before).equals(file.bytes)))
    throw new KeyholeError(
      "unsafe-path",
      `${path} was changed meanwhile, or is not UTF-8: nothing is written`,
      lookAt(path),
    );
  const how = { exclusive: false, durable: true, mode: Number(file?.stats.mode ?? PRIVATE_MODE) & 0o777 };
  if (file !== undefined) writeAtomically(`${target}.keyhole-backup`, file.bytes, how);
  writeAtomically(target, after, how);
}

/** Gives a file another name; false if that name is taken. Both stand in one directory. */
export function renameExclusively(from: string, to: string): boolean {
  return withPath(from, "rename", () => {
    if (!linkExclusively(from, to)) return false;
    fs.unlinkSync(from);
    syncDirectory(directoryOf(to));
    return true;
  });
}

/** Gives a file another name in its directory, in place of what has that one. Needs no room on most file systems. */
export function rename(from: string, to: string): void {
  withPath(from, "rename", () => {
    fs.renameSync(from, to);
    syncDirectory(directoryOf(to));
  });
}

/** False if there is no such file. */
export function removeFile(path: string): boolean {
  return withPath(path, "remove", () => {
    if (fs.lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
    fs.unlinkSync(path);
    syncDirectory(directoryOf(path));
    return true;
  });
}

/**
 * Opens a file that is kept open, and makes it if it is missing. Does not wait at a FIFO.
 *
 * @param flags of open(2), beside O_CREAT
 * @param what for the error: `log file`
 * @returns a descriptor
 * @throws KeyholeError `unsafe-path` for a link, and for what is no regular file.
 */
export function openOwnFile(path: string, flags: number, what: string): number {
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  let descriptor: number;
  try {
    descriptor = fs.openSync(path, flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK, PRIVATE_MODE);
  } catch (error) {
    const reason = codeOf(error) ?? "unknown";
    throw new KeyholeError("unsafe-path", `cannot open the ${what} ${path} (${reason})`, lookAt(path));
  }
  if (fs.fstatSync(descriptor).isFile()) return descriptor;
  fs.closeSync(descriptor);
  throw new KeyholeError("unsafe-path", `the ${what} ${path} is not a regular file`, lookAt(path));
}

/** A hard link fails where the name is taken, which rename does not. */
function linkExclusively(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    if (!isErrno(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")) throw error;
  }
  // A file system without hard links: two writers at the same moment may both win here.
  if (fs.lstatSync(to, { throwIfNoEntry: false }) !== undefined) return false;
  fs.copyFileSync(from, to, constants.COPYFILE_EXCL);
  return true;
}

function writeNew(path: string, text: string | Uint8Array, durable: boolean, mode: number): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  // Not Bun.write: it ignores modes and follows links.
  const descriptor = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, PRIVATE_MODE);
  try {
    if (mode !== PRIVATE_MODE) fs.fchmodSync(descriptor, mode);
    fs.writeFileSync(descriptor, text);
    if (durable) fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function syncDirectory(directory: string): void {
  const descriptor = fs.openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function withPath<Result>(path: string, verb: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw pathError(error, path, verb);
  }
}

// Names of what lasts no longer than who makes it, with that one's pid; and removing what a process left that was killed.

/** A name that is free in a directory: for a file that is not finished, and for what is about to be removed. */
export function temporaryName(name: string): string {
  return `.${name}.${process.pid}.${crypto.randomUUID()}`;
}

/** Whether a name is one of `temporaryName`'s, those of versions included that wrote no pid. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/** The beginning of the name of a directory that this process removes again, for mkdtemp(3). */
export function editingPrefix(): string {
  return `edit-${process.pid}-`;
}

/** Under which a socket is bound, before it is renamed; short, because paths of sockets are. */
export function bindingName(name: string): string {
  return `${name}.${process.pid}`;
}

const TEMPORARY = /^\.(?<name>.+?)(?:\.(?<pid>[0-9]+))?\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const EDITING = /^edit-(?<pid>[0-9]+)-[^.]+$/;
const BINDING = /^(?<name>.+)\.(?<pid>[0-9]+)$/;

/** Where something may have been left. */
export interface LitteredPlace {
  readonly directory: string;
  /**
   * Of which files and sockets, by their names when they are finished. Undefined is everything, an editor's directories
   * too: in a directory of keyhole's alone. Others hold what only looks like it: nvim's socket is `nvim.PID.0`.
   */
  readonly isOurs: ((name: string) => boolean) | undefined;
}

/**
 * Removes what processes of this user left unfinished there that are gone. What cannot be looked at or removed stays.
 *
 * @returns how much it was
 */
export function sweep(places: readonly LitteredPlace[]): number {
  let count = 0;
  for (const place of places) {
    for (const name of namesIn(place.directory)) {
      try {
        const path = `${place.directory}/${name}`;
        if (!isLeft(name, fs.lstatSync(path), place)) continue;
        fs.rmSync(path, { recursive: true });
        count += 1;
      } catch {}
    }
  }
  return count;
}

function isLeft(name: string, stats: fs.Stats, { isOurs }: LitteredPlace): boolean {
  const form = stats.isDirectory() ? EDITING : stats.isSocket() ? BINDING : TEMPORARY;
  const found = form.exec(name)?.groups;
  if (found === undefined || stats.uid !== process.geteuid?.()) return false;
  if (isOurs !== undefined && !isOurs(found["name"] ?? "")) return false;
  return !isRunning(Number(found["pid"] ?? 0));
}

/** Of this user's processes; another one that has the pid is not who made it. */
function isRunning(pid: number): boolean {
  // Before anything of its own is under way: a daemon in a container has the same pid each time.
  if (pid === 0 || pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !isErrno(error, "ESRCH", "EPERM");
  }
}

function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}
