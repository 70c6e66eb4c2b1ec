// The directory of the shared socket. It is made once, by `keyhole setup agent-access` as root or by a service manager;
// the daemon only looks whether it can be trusted, because its group decides who may come.
import { statSync } from "node:fs";
import { isErrno, KeyholeError } from "../../errors.ts";
import { pathError, refuseForeign, refuseForeignParent } from "../../files/trust.ts";
import { directoryOf, usualSharedSocket } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";

/** The command that makes it. sudo lets no variable through. */
function setup(socket: string): string {
  const variable = socket === usualSharedSocket() ? "" : `KEYHOLE_SHARED_SOCKET=${quotePosix(socket)} `;
  return `sudo ${variable}keyhole setup agent-access --agent-user USER`;
}

/**
 * @param socket the shared socket
 * @param own the uid that this daemon runs as
 * @returns the group whose members may connect
 * @throws KeyholeError `unsafe-path` for a directory that is missing, belongs to somebody else than `own` or root, can
 *   be written by others, or whose group is root's.
 */
export function checkSharedDirectory(socket: string, own: number): number {
  const path = directoryOf(socket);
  const stats = look(path, socket);
  if (!stats.isDirectory()) throw new KeyholeError("unsafe-path", `${path} is not a directory`, setup(socket));
  refuseForeign(path, stats, [own, 0]);
  const parent = directoryOf(path);
  // /var/run is a link of root's to /run.
  refuseForeignParent(parent, look(parent, socket), [own, 0]);
  if (stats.gid !== 0) return stats.gid;
  throw new KeyholeError(
    "unsafe-path",
    `${path} belongs to the group of root: no member could connect by group`,
    setup(socket),
  );
}

function look(path: string, socket: string) {
  try {
    return statSync(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw pathError(error, path, "look at");
    throw new KeyholeError("unsafe-path", `the directory ${path} of the shared socket does not exist`, setup(socket));
  }
}
