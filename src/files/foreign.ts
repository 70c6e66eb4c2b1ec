// Reading files that are not keyhole's own, and whose path a user or a profile chose: ~/.aws, CA bundles, a policy. The one
// place where that is done. A mount that is dead blocks in the kernel, and may block the process for good: the daemon,
// the client and doctor read in a child that can be left behind (sources/resolve/spawn.ts, cli/reading-in-child.ts).
import { constants, type Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { codeOf, isErrno, KeyholeError } from "../errors.ts";
import { quotePosix } from "../text/quoting.ts";
import { revisionOf } from "./identity.ts";
import { lookAt, pathError } from "./trust.ts";

/** Loaded where something is read: the daemon has this file for its errors, and never reads here. */
const promises = () => require("node:fs/promises") as typeof import("node:fs/promises");

/** Bytes: far above a bundle of every CA there is, and a config of a thousand profiles. */
const LIMIT = 4 * 2 ** 20;
/** Milliseconds: below what a daemon waits for its child, so that the error can name the file. */
const DEADLINE = 5_000;
/** How one says that there is to be no file. */
const NOTHING = "/dev/null";
/** Linux's, statfs(2): /proc/kmsg calls itself a regular file, and takes what it is read for from its other reader. */
const PROC = 0x9fa0;

/**
 * The text of a regular file, of links' targets too; undefined where there is none, or none that this user may read.
 *
 * @throws KeyholeError `person-needed` that names the file: what is no regular file, is too long or does not answer.
 */
export async function readForeign(path: string): Promise<string | undefined> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(silent(path)), DEADLINE);
  try {
    return await Promise.race([read(path), late]);
  } catch (error) {
    // A directory above it that is a file, or closed: there is nothing to be had, as the SDKs see it.
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EPERM")) return undefined;
    throw error instanceof KeyholeError ? error : unreadable(error, path);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What changes when one of these files does, or a JSON file in one of these directories. Opens none of them; but a mount
 * that is dead does not answer, and holds a thread.
 */
export async function stampForeign(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map(stampOne))).join("\n");
}

async function stampOne(path: string): Promise<string> {
  try {
    const stats = await promises().stat(path, { bigint: true });
    if (!stats.isDirectory()) return revisionOf(stats);
    const names = (await promises().readdir(path)).filter((name) => name.endsWith(".json"));
    const files = names
      .toSorted()
      .slice(0, MOST_STAMPED)
      .map((name) => `${path}/${name}`);
    return (await Promise.all(files.map(stampOne))).join(" ");
  } catch (error) {
    return codeOf(error) ?? "unknown";
  }
}

/** Files of a directory. */
const MOST_STAMPED = 256;

async function read(path: string): Promise<string> {
  // Before it is opened: opening a device may do something.
  const stats = await promises().stat(path);
  if (stats.isCharacterDevice() && stats.rdev === (await promises().stat(NOTHING)).rdev) return "";
  refuseIrregular(path, stats);
  if ((await promises().statfs(path)).type === PROC) throw refusal(path, "is the kernel's, not a regular file");
  const file = await promises().open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    refuseIrregular(path, await file.stat());
    return await readWhole(file, path);
  } finally {
    await file.close();
  }
}

function refuseIrregular(path: string, stats: Stats): void {
  if (!stats.isFile()) throw refusal(path, `is ${kindOf(stats)}, not a regular file`);
  if (stats.size > LIMIT) throw tooLong(path);
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a pipe";
  return stats.isSocket() ? "a socket" : "a device";
}

/** A file may grow while it is read, and those of some file systems say 0 of their length. */
async function readWhole(file: FileHandle, path: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const chunk = Buffer.alloc(64 * 1024);
    const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return Buffer.concat(chunks).toString("utf8");
    length += bytesRead;
    if (length > LIMIT) throw tooLong(path);
    chunks.push(chunk.subarray(0, bytesRead));
  }
}

/** For a file that does not answer, also where that is found out from outside. */
export function silent(path: string): KeyholeError {
  const message = `${path} does not answer: its file system may be gone`;
  return new KeyholeError("person-needed", message, `findmnt -T ${quotePosix(path)}`);
}

function tooLong(path: string): KeyholeError {
  return refusal(path, `is longer than ${LIMIT / 2 ** 20} MiB`);
}

function refusal(path: string, what: string): KeyholeError {
  return new KeyholeError("person-needed", `${path} ${what}`, lookAt(path));
}

function unreadable(error: unknown, path: string): KeyholeError {
  const { message, hint } = pathError(error, path, "read");
  return new KeyholeError("person-needed", message, hint);
}
