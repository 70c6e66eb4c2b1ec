// A grant's directory, which a sandbox sees. A holder that was given it writable (the sandbox's root, a process of this
// user) may put anything anywhere in it at any moment: nothing is written, removed or given a mode through what stands
// there, nothing waits for it, and what can be put right is put right.
import * as fs from "node:fs";
import { isErrno, KeyholeError } from "../../errors.ts";
import { readAccounts } from "../../files/accounts.ts";
import { ensurePrivateHome } from "../../files/directories.ts";
import { isSameFile } from "../../files/identity.ts";
import { lookAt, pathError, refuseForeignOwner } from "../../files/trust.ts";
import { isTemporary } from "../../files/writing.ts";
import { isDirectoryName } from "../../grants/names.ts";
import { directoryOf } from "../../paths.ts";
import { removeEntries } from "./clearing.ts";
import { copyToMount, EXECUTABLE, EXECUTABLE_MODE, type ExecutableSource } from "./executable.ts";
import { pinDirectory, type Pinned } from "./pinned.ts";
import { discard, placeFile } from "./placing.ts";

/** What is written there; the socket is the listener's. */
export type MountFile = "aws-config" | "credentials" | "env" | "lease.json";

export interface Mount {
  /** The host's path, for people and recipes. */
  readonly path: string;
  /** The directory's, open until `close`: for paths below /proc/self/fd, of no use for listing. */
  readonly descriptor: number;
  /**
   * Replaces a file by rename, or does nothing where content and mode are right already. Keeps no byte.
   *
   * @throws KeyholeError `unsafe-path`
   */
  write(name: MountFile, bytes: Uint8Array, mode: number): void;
  /** Whether something stands at a file's name. */
  has(name: MountFile): boolean;
  /** Removes a file, where there is no room for another one in its place. @throws KeyholeError `unsafe-path` */
  clear(name: MountFile): void;
  /**
   * Puts an executable there, as `keyhole`, unless it is there already: a small one as it is, or a copy, which is made
   * off the event loop and ends quietly when the mount is closed meanwhile.
   *
   * @returns rejects with KeyholeError `unsafe-path`, also for a full disk; nothing is left behind.
   */
  placeExecutable(executable: Uint8Array | ExecutableSource): Promise<void>;
  /**
   * What the executable takes on the disk, as du(1) says; 0 for none, for one that shares it with the original, and where
   * a sandbox keeps it from being looked at.
   */
  executableBytes(): number;
  /**
   * Where the listener binds its socket, whatever stands at the directory's path by now: through the descriptor where
   * there is /proc. What no socket could be renamed over is removed.
   *
   * @throws KeyholeError `unsafe-path`
   */
  makeWay(name: "sock" | "sign"): string;
  /** Removes the directory with all that is in it, and closes. @throws KeyholeError `unsafe-path` for what stays. */
  remove(): void;
  /** Idempotent. The directory stays. */
  close(): void;
}

/** Who knows a name in it can enter it; only root can list it. */
const PARENT_MODE = 0o311;
/** Whatever uid a container maps to can enter. */
const MOUNT_MODE = 0o755;
/** Bytes of a block in st_blocks. stat(3type) */
const BLOCK = 512;
/** Of emptying a directory that a holder, or a copy that is under way, fills again. */
const ATTEMPTS = 8;

/**
 * Opens the directory of a grant, and makes it and its parent if they are missing. The parent's mode is mended: a sandbox
 * that sees it may have changed it. What is above it is private (`ensurePrivateHome`).
 *
 * @param parent `<home>/g`, or that of the leases
 * @param directoryName 22 characters of `A-Za-z0-9_-`
 * @throws KeyholeError `unsafe-path` for a link, and another user's directory.
 */
export function openMount(parent: string, directoryName: string): Mount {
  if (!isDirectoryName(directoryName))
    throw new KeyholeError("internal", "the name of a grant's directory is malformed");
  const path = `${parent}/${directoryName}`;
  const directory = withParent(parent, (base) => {
    makeDirectory(path, `${base}/${directoryName}`, MOUNT_MODE);
    return pinDirectory(path, `${base}/${directoryName}`);
  });
  let copies = 0;
  /** The inode of a copy that shares the disk with its original. */
  let clone: number | undefined;
  let isClosed = false;

  async function placeExecutable(executable: Uint8Array | ExecutableSource): Promise<void> {
    if (isClosed) return;
    heal(directory);
    if (executable instanceof Uint8Array) return placeFile(directory, EXECUTABLE, executable, EXECUTABLE_MODE);
    copies += 1;
    try {
      clone = (await copyToMount(directory, executable, () => !isClosed)) ?? clone;
    } finally {
      copies -= 1;
      if (isClosed) release();
    }
  }

  function close(): void {
    isClosed = true;
    release();
  }

  /** A copy that is under way leads through the descriptor, whose number must not become another file's. */
  function release(): void {
    if (copies === 0) directory.close();
  }

  try {
    heal(directory);
    removeLeftovers(directory);
  } catch (error) {
    close();
    throw pathError(error, path, "open");
  }
  return {
    path,
    descriptor: directory.descriptor,
    write: (name, bytes, mode) => {
      heal(directory);
      placeFile(directory, name, bytes, mode);
    },
    has: (name) => fs.lstatSync(`${directory.base()}/${name}`, { throwIfNoEntry: false }) !== undefined,
    clear: (name) => {
      heal(directory);
      removeEntries(directory, [name]);
    },
    placeExecutable,
    executableBytes: () => {
      if (isClosed) return 0;
      try {
        const stats = fs.lstatSync(`${directory.base()}/${EXECUTABLE}`);
        return stats.ino === clone ? 0 : stats.blocks * BLOCK;
      } catch {
        return 0;
      }
    },
    makeWay: (name) => {
      heal(directory);
      const entry = `${directory.base()}/${name}`;
      if (fs.lstatSync(entry, { throwIfNoEntry: false })?.isDirectory() === true) discard(directory, name);
      return entry;
    },
    remove: () => {
      try {
        heal(directory);
        removeAll(directory, parent, directoryName);
      } finally {
        close();
      }
    },
    close,
  };
}

export interface Mounts {
  readonly found: readonly string[];
  /** The parent's, if it was not what it is to be; by now it is. */
  readonly formerMode: number | undefined;
}

/**
 * What is in a parent of mounts, which is readable for as long as this takes, unless by root, who needs no permission;
 * nothing where there is none.
 *
 * @throws KeyholeError `unsafe-path` as openMount does
 */
export function listMounts(parent: string): Mounts {
  const stats = fs.lstatSync(parent, { throwIfNoEntry: false });
  if (stats === undefined) return { found: [], formerMode: undefined };
  const mode = stats.mode & 0o777;
  const formerMode = mode === PARENT_MODE ? undefined : mode;
  return withParent(parent, (base) => ({
    found: ownUid() === 0 ? fs.readdirSync(base) : readOpened(base),
    formerMode,
  }));
}

function readOpened(base: string): string[] {
  try {
    fs.chmodSync(base, PARENT_MODE | fs.constants.S_IRUSR);
    return fs.readdirSync(base);
  } finally {
    fs.chmodSync(base, PARENT_MODE);
  }
}

/** @throws KeyholeError `unsafe-path` where it is another user's by now. */
function heal(directory: Pinned): void {
  const stats = directory.stats();
  refuseForeignOwner(directory.path, stats, [ownUid()]);
  if ((stats.mode & 0o777) === MOUNT_MODE) return;
  try {
    fs.chmodSync(directory.base(), MOUNT_MODE);
  } catch (error) {
    throw pathError(error, directory.path, "mend");
  }
}

/** What a daemon that was killed had not finished. What cannot be removed stays until `remove` says why. */
function removeLeftovers(directory: Pinned): void {
  const leftovers = fs.readdirSync(directory.base()).filter((name) => isTemporary(name) || name.startsWith("sock."));
  try {
    removeEntries(directory, leftovers);
  } catch {}
}

function removeAll(directory: Pinned, parent: string, name: string): void {
  try {
    for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
      removeEntries(directory, fs.readdirSync(directory.base()));
      if (withParent(parent, (base) => removeEmpty(`${base}/${name}`, directory))) return;
    }
  } catch (error) {
    throw pathError(error, directory.path, "remove");
  }
  throw new KeyholeError("unsafe-path", `another process keeps filling ${directory.path}`, lookAt(directory.path));
}

/** False if there is something in it again. Another directory at its path stays. */
function removeEmpty(path: string, directory: Pinned): boolean {
  if (!isSameFile(fs.lstatSync(path, { throwIfNoEntry: false }), directory.stats())) return true;
  try {
    fs.rmdirSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOTEMPTY", "EEXIST")) return false;
    throw error;
  }
}

/** Does something with the checked parent of mounts; `base` is what to put before `/name`. */
function withParent<Result>(path: string, action: (base: string) => Result): Result {
  ensurePrivateHome(directoryOf(path));
  makeDirectory(path, path, PARENT_MODE);
  const parent = pinDirectory(path);
  try {
    const stats = parent.stats();
    refuseForeignOwner(path, stats, [ownUid()]);
    if ((stats.mode & 0o777) !== PARENT_MODE) fs.chmodSync(parent.base(), PARENT_MODE);
    giveToOtherGroup(parent, stats);
    return action(parent.base());
  } finally {
    parent.close();
  }
}

/**
 * What a sandbox runs may be root of a user namespace of its own, which lists every directory whose user and group that
 * namespace has: without help from outside this user and the primary group (user_namespaces(7)). So the parent gets
 * another group of this user's, where there is one; its mode gives a group no more than other users.
 */
function giveToOtherGroup(parent: Pinned, { gid }: fs.Stats): void {
  if (process.platform !== "linux") return;
  const primary = [process.getgid?.(), process.getegid?.(), readAccounts().userOf(ownUid())?.gid];
  const other = process.getgroups?.().find((group) => !primary.includes(group));
  if (other === undefined || !primary.includes(gid)) return;
  try {
    fs.chownSync(parent.base(), ownUid(), other);
  } catch {
    // A file system without owners, or a group that this user namespace does not have.
  }
}

/** With its mode from the first moment on. One that exists stays as it is. */
function makeDirectory(path: string, through: string, mode: number): void {
  const previous = process.umask(0);
  try {
    fs.mkdirSync(through, mode);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw pathError(error, path, "make the directory");
  } finally {
    process.umask(previous);
  }
}

function ownUid(): number {
  return process.geteuid?.() ?? 0;
}
