// Why connecting to a socket fails: no daemon, a mode, another owner, or a sandbox.
import { isErrorOf, KeyholeError } from "../errors.ts";
import { baseOf, directoryOf } from "../paths.ts";
import { quotePosix } from "../text/quoting.ts";

/** How seccomp filters (firejail's: EOPNOTSUPP) and Seatbelt refuse socket(2) and connect(2), and the kernel a file's mode. */
const PROHIBITIONS = ["EPERM", "EACCES", "EOPNOTSUPP", "EAFNOSUPPORT", "ENOSYS"] as const;

/**
 * An abstract name without a listener: a seccomp filter shows there at once, and no daemon whose backlog is merely
 * full gets a connection that asks nothing. What forbids this path alone (gVisor, Seatbelt) shows at the end.
 */
export const NO_LISTENER = process.platform === "linux" ? "\0keyhole" : undefined;

/** The errno that Bun 1.4.5 reports as ECONNREFUSED: of connecting that is not permitted, all but EACCES. */
export async function findProhibition(path: string): Promise<string | undefined> {
  const { loadNative } = await import("../native/load.ts");
  let code: string | undefined;
  try {
    code = loadNative().connectFailure(path);
  } catch (error) {
    // Where libc cannot be called either, all that is known is that no daemon answers.
    if (!isErrorOf(error, "blocked")) throw error;
  }
  return PROHIBITIONS.find((prohibition) => prohibition === code);
}

/** By errno: what it means for the client. */
const connectErrors: Readonly<Record<string, (path: string) => KeyholeError>> = {
  ...Object.fromEntries(PROHIBITIONS.map((code) => [code, (path: string) => blocked(path, code)])),
  ENOENT: (path) => new KeyholeError("unreachable", `no daemon listens at ${path}`),
  ENOTDIR: (path) => new KeyholeError("unreachable", `no daemon listens at ${path}`),
  ECONNREFUSED: (path) => new KeyholeError("unreachable", `no daemon answers at ${path}`),
  EINVAL: (path) => tooLong(path),
  ENAMETOOLONG: (path) => tooLong(path),
};

/** A file's mode keeps this user from this one socket, and from no grant's; all else forbids every socket. */
function blocked(path: string, code: string): KeyholeError {
  const obstacle = code === "EACCES" ? findObstacle(path) : undefined;
  if (obstacle !== undefined) return obstacle;
  const more = code === "EACCES" ? "" : " --deliver file";
  const hint = `on the host, as the user of the daemon: keyhole grant add NAME --config CONFIG${more}`;
  return new KeyholeError("blocked", `connecting to ${path} is not permitted here (${code})`, hint);
}

/** In characters: what Linux's 108 bytes leave for the name after `/proc/self/fd/N/`. */
const LONGEST_NAME = 90;

/** Bun says EINVAL, too, where a directory on a long path does not exist. */
function tooLong(path: string): KeyholeError {
  if (process.platform === "linux" && baseOf(path).length <= LONGEST_NAME) {
    return new KeyholeError("unreachable", `no daemon listens at ${path}`);
  }
  return new KeyholeError("usage", `the socket path ${path} is too long`, "use a shorter --socket-path");
}

export function connectError(path: string, code = "unknown"): KeyholeError {
  return connectErrors[code]?.(path) ?? new KeyholeError("unreachable", `cannot connect to ${path} (${code})`);
}

/**
 * What keeps a user from a socket below directories of their own: a mode, or another owner such as root, whom `sudo` left
 * there. A sandbox refuses with the same errno, and shows in neither. Undefined where nothing that this user could mend is
 * in the way.
 */
function findObstacle(path: string): KeyholeError | undefined {
  const fs = require("node:fs") as typeof import("node:fs");
  const own = process.geteuid?.();
  const isOpen = (each: string, how: number): boolean => {
    try {
      fs.accessSync(each, how);
      return true;
    } catch {
      return false;
    }
  };
  const outer = directoryOf(path);
  const how = isOpen(outer, fs.constants.X_OK) ? fs.constants.W_OK : fs.constants.X_OK;
  let place = how === fs.constants.W_OK ? path : outer;
  if (isOpen(place, how)) return undefined;
  while (place !== "/" && !isOpen(directoryOf(place), fs.constants.X_OK)) place = directoryOf(place);
  try {
    const { uid } = fs.statSync(place);
    if (uid === own)
      return new KeyholeError("unsafe-path", `${place} is closed by its mode`, `chmod u+rwx ${quotePosix(place)}`);
    if (fs.statSync(directoryOf(place)).uid !== own) return undefined;
    const hint = `sudo chown -R ${own} ${quotePosix(place)}`;
    return new KeyholeError("unsafe-path", `${place} belongs to another user (uid ${uid})`, hint);
  } catch {
    return undefined;
  }
}
