// Directories that keyhole trusts with its sockets and files: made private, checked before every use, never repaired
// behind their owner's back.
import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync } from "node:fs";
import { KeyholeError } from "./errors.ts";
import { directoryOf } from "./paths.ts";

/** Everything for the owner. */
const PRIVATE_MODE = 0o700;
/** Write permission of group and others. */
const SHARED_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Makes `path` and what is missing above it with mode 0700, and checks that nobody else could have put something there:
 * it is a real directory, not a link, ours, and neither it nor its parent can be written by group or others (a sticky
 * parent such as /tmp can be).
 *
 * @throws KeyholeError `unsafe-path` that names the directory and the command that mends it. An existing directory's
 *   mode is never changed.
 */
export function ensurePrivateDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: PRIVATE_MODE });
  } catch (error) {
    throw new KeyholeError("unsafe-path", `cannot make the directory ${path} (${codeOf(error)})`, `ls -ld ${path}`);
  }
  checkDirectory(path);
  checkParent(directoryOf(path));
}

function checkDirectory(path: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    // A link is ENOTDIR on Linux and ELOOP on macOS.
    const isOther = ["ENOTDIR", "ELOOP"].includes(codeOf(error));
    const reason = isOther ? "is a link or a file, not a directory" : `cannot be opened (${codeOf(error)})`;
    throw new KeyholeError("unsafe-path", `${path} ${reason}`, `ls -ld ${path}`);
  }
  try {
    const { uid, mode } = fstatSync(descriptor);
    if (uid !== process.geteuid?.()) {
      throw new KeyholeError(
        "unsafe-path",
        `the directory ${path} belongs to another user (uid ${uid})`,
        `ls -ld ${path}`,
      );
    }
    if ((mode & SHARED_WRITE) !== 0) throw writable(path);
  } finally {
    closeSync(descriptor);
  }
}

function checkParent(path: string): void {
  const { uid, mode } = lstatSync(path);
  const sticky = (mode & STICKY) !== 0;
  if (uid !== process.geteuid?.() && uid !== 0) {
    throw new KeyholeError(
      "unsafe-path",
      `the directory ${path} belongs to another user (uid ${uid})`,
      `ls -ld ${path}`,
    );
  }
  if ((mode & SHARED_WRITE) !== 0 && !sticky) throw writable(path);
}

function writable(path: string): KeyholeError {
  return new KeyholeError("unsafe-path", `the directory ${path} can be written by others`, `chmod go-w ${path}`);
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? "unknown";
}
