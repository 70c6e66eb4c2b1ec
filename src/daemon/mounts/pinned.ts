// Directories that are held by a descriptor, so that no rename and no link leads a later step elsewhere. Bun has no
// openat(2); where there is /proc, a path through the descriptor does the same.
import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats, statSync } from "node:fs";
import { isErrno, KeyholeError } from "../../errors.ts";
import { isSameFile } from "../../files/identity.ts";
import { lookAt, pathError } from "../../files/trust.ts";

export interface Pinned {
  readonly path: string;
  readonly descriptor: number;
  /** Whether `base` leads through the descriptor: what is done below it then cannot be led elsewhere. */
  readonly isFirm: boolean;
  /**
   * What to put before `/name`.
   *
   * @throws KeyholeError `unsafe-path` where there is no /proc and another directory stands at the path by now.
   */
  base(): string;
  /** Its owner, mode and inode now. Throws `internal` once it is closed, as `base` does. */
  stats(): Stats;
  /** Idempotent. */
  close(): void;
}

/**
 * Opens a directory for what is in it, not for listing: it may be one that its owner cannot read. asm-generic/fcntl.h
 * and Apple's sys/fcntl.h (O_EXEC), which Node does not name.
 */
const SEARCH: Readonly<Partial<Record<NodeJS.Platform, number>>> = { linux: 0o10000000, darwin: 0x40000000 };

/**
 * @param path for people, and for `base` where there is no /proc
 * @param through where to open it, if not at `path`
 * @throws KeyholeError `unsafe-path` for a link, and for what is no directory.
 */
export function pinDirectory(path: string, through: string = path): Pinned {
  const descriptor = openDirectory(path, through);
  const opened = fstatSync(descriptor);
  const firm = `/proc/self/fd/${descriptor}`;
  const isFirm = isSameFile(statSync(firm, { throwIfNoEntry: false }), opened);
  let isOpen = true;

  /** Once it is closed its number may be another file's. */
  function refuseClosed(): void {
    if (!isOpen) throw new KeyholeError("internal", `${path} was closed`);
  }

  return {
    path,
    descriptor,
    isFirm,
    base: () => {
      refuseClosed();
      if (isFirm) return firm;
      if (isSameFile(lstatSync(path, { throwIfNoEntry: false }), opened)) return path;
      throw new KeyholeError("unsafe-path", `${path} is not the directory that it was`, lookAt(path));
    },
    stats: () => {
      refuseClosed();
      return fstatSync(descriptor);
    },
    close: () => {
      if (isOpen) closeSync(descriptor);
      isOpen = false;
    },
  };
}

function openDirectory(path: string, through: string): number {
  const search = SEARCH[process.platform] ?? constants.O_RDONLY;
  try {
    return openSync(through, search | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (!isErrno(error, "ENOTDIR", "ELOOP")) throw pathError(error, path, "open");
    throw new KeyholeError("unsafe-path", `${path} is a link or a file, not a directory`, lookAt(path));
  }
}
