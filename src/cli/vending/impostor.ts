// Whether what answers at a shared socket is there with root's consent: credentials of a stranger's choosing would let a
// program write into the stranger's account.
import { statSync } from "node:fs";
import { KeyholeError } from "../../errors.ts";
import { lookAt, pathError, refuseForeign } from "../../files/trust.ts";
import { isOwnerOrRoot, type PeerIdentity } from "../../native/native.ts";
import { directoryOf } from "../../paths.ts";

/** Write permission of others: whoever comes first makes what is in there. */
const PUBLIC = 0o002;

/**
 * Only the owner of the socket's directory, or a service manager, listens in it; and nobody makes that directory in a
 * public one such as /tmp or macOS's /Users/Shared, but the caller or root.
 *
 * @param own uid of the caller
 * @throws KeyholeError `unsafe-path`
 */
export function refuseImpostor(peer: PeerIdentity, socket: string, own: number): void {
  const directory = directoryOf(socket);
  const stats = look(directory);
  const { uid } = stats;
  refuseForeign(directory, stats, [uid]);
  if (!isOwnerOrRoot(peer, uid)) {
    const what = `what answers at ${socket} belongs to another user (uid ${peer.uid}) than its directory (uid ${uid})`;
    throw new KeyholeError("unsafe-path", what, lookAt(directory));
  }
  let inner = directory;
  for (let outer = directoryOf(inner); inner !== "/"; inner = outer, outer = directoryOf(inner)) {
    const isTrusted = [0, own].includes(look(inner).uid);
    if (isTrusted || (look(outer).mode & PUBLIC) === 0) continue;
    throw new KeyholeError(
      "unsafe-path",
      `${inner} belongs to another user, and anybody may have made it`,
      lookAt(inner),
    );
  }
}

/** Behind links; those above a directory of root's are root's. */
function look(path: string) {
  try {
    return statSync(path);
  } catch (error) {
    throw pathError(error, path, "look at");
  }
}
