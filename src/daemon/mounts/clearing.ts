// Removing what a sandbox may have put into a directory of ours and may still be changing: links, FIFOs, trees of
// any depth. Nothing is ever removed, or given another mode, behind a link.
import * as fs from "node:fs";
import { isErrno, KeyholeError } from "../../errors.ts";
import { pathError } from "../../files/trust.ts";
import { temporaryName } from "../../files/writing.ts";
import { quotePosix } from "../../text/quoting.ts";
import { type Pinned, pinDirectory } from "./pinned.ts";

/**
 * Files and directories that one call removes, in some 50 ms: a mount has no ten. A holder that fills it with more would hold
 * up the daemon, and is left to a person.
 */
const MOST = 250;

/**
 * Removes entries, directories with all that is in them. Trees are flattened into `directory` rather than descended
 * into, so that their depth costs nothing.
 *
 * @throws KeyholeError `unsafe-path` for what cannot be removed; where there is no /proc also for a directory that is
 *   not empty, because a link could take the place of something in it.
 */
export function removeEntries(directory: Pinned, names: readonly string[]): void {
  const entries = [...names];
  const spend = createBudget(directory);
  try {
    while (entries.length > 0) {
      spend();
      removeLast(directory, entries, spend);
    }
  } catch (error) {
    throw pathError(error, `${directory.path}/${entries.at(-1)}`, "remove");
  }
}

/** Counts what is removed. */
function createBudget({ path }: Pinned): () => void {
  let spent = 0;
  return () => {
    spent += 1;
    if (spent <= MOST) return;
    throw new KeyholeError("unsafe-path", `there is too much in ${path}`, `rm -r ${quotePosix(path)}`);
  };
}

/** Removes the last of `entries`, or puts what is in it behind it. */
function removeLast(directory: Pinned, entries: string[], spend: () => void): void {
  const entry = entries.at(-1)!;
  const path = `${directory.base()}/${entry}`;
  if (unlinkUnlessDirectory(path) || removeEmpty(path)) entries.pop();
  else entries.push(...flatten(directory, entry, spend));
}

/** Takes everything out of a directory; other directories in it get names in `directory`, which are returned. */
function flatten(directory: Pinned, entry: string, spend: () => void): string[] {
  const inner = openInner(directory, directory, entry);
  if (inner === undefined) return [];
  const moved: string[] = [];
  try {
    for (const child of fs.readdirSync(inner.base())) {
      spend();
      if (unlinkUnlessDirectory(`${inner.base()}/${child}`)) continue;
      // Opened so that its mode lets it be moved.
      openInner(directory, inner, child)?.close();
      const name = temporaryName("old");
      fs.renameSync(`${inner.base()}/${child}`, `${directory.base()}/${name}`);
      moved.push(name);
    }
  } finally {
    inner.close();
  }
  return moved;
}

/** Undefined for what is no directory any more. Its owner, who made it unreadable, gets all permissions. */
function openInner(directory: Pinned, parent: Pinned, entry: string): Pinned | undefined {
  const path = `${parent.base()}/${entry}`;
  if (fs.lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  if (!parent.isFirm) throw notEmpty(path);
  const inner = pinDirectory(`${directory.path}/${entry}`, path);
  try {
    if ((inner.stats().mode & 0o700) !== 0o700) fs.chmodSync(inner.base(), 0o700);
    return inner;
  } catch (error) {
    inner.close();
    throw error;
  }
}

/** False for a directory. */
function unlinkUnlessDirectory(path: string): boolean {
  try {
    fs.unlinkSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return true;
    // A directory is EISDIR on Linux and EPERM on macOS; EPERM is also said of a file that is immutable.
    if (!isErrno(error, "EISDIR", "EPERM")) throw error;
    if (fs.lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true && isErrno(error, "EPERM")) throw error;
    return false;
  }
}

function removeEmpty(path: string): boolean {
  try {
    fs.rmdirSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return true;
    if (isErrno(error, "ENOTEMPTY", "EEXIST", "ENOTDIR")) return false;
    throw error;
  }
}

function notEmpty(path: string): KeyholeError {
  return new KeyholeError("unsafe-path", `${path} is a directory that is not empty`, `rm -r ${quotePosix(path)}`);
}
