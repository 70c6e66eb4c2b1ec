// Credentials from the shared daemon of this machine, which another user runs: asked, never started, and told nothing
// but the config's name.
import { Connection } from "../../client/connection.ts";
import { isDaemonThere } from "../../client/asking.ts";
import { findSource } from "../../client/target.ts";
import { checkConfigName } from "../../config/name.ts";
import { KeyholeError } from "../../errors.ts";
import { identifyPeer, isOwnerOrRoot, type PeerIdentity } from "../../native/native.ts";
import type { Settings } from "../../settings.ts";
import { version } from "../../version.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import type { CommandContext } from "../command.ts";
import { statSync } from "node:fs";
import { lookAt, pathError, refuseForeign } from "../../files/trust.ts";
import { directoryOf } from "../../paths.ts";

/** Which configs a member may have, only the operator knows: there is nothing to choose from. */
export function requireSharedName(name: string | undefined): string {
  if (name !== undefined) return checkConfigName(name);
  throw new KeyholeError(
    "usage",
    "-n NAME is missing",
    "ask the operator of the shared daemon for the names of its configs",
  );
}

/**
 * @param own uid of this process
 * @throws KeyholeError `unsafe-path` for a listener that may not be there; what the daemon answers; `unreachable` where none
 *   does, and `forbidden` for a user who is not in the socket's group. Both name the directory of the user's own configs,
 *   which was looked into first.
 */
export async function vendShared(settings: Settings, own: number, config: string): Promise<ResponseOf<"Vend">> {
  return askShared(await open(settings, config), settings, own, (connection) => connection.request("Vend", { config }));
}

/** The shared daemon that serves this user. */
export interface SharedService {
  readonly socket: string;
  /** Who runs it. */
  readonly uid: number;
  readonly pid: number;
  readonly version: string;
}

/**
 * Undefined where there is none, also because this command line names another socket or a home of its own.
 *
 * @param own uid of this process
 */
export async function findSharedService(settings: Settings, own: number): Promise<SharedService | undefined> {
  const { isSocketNamed, isInProcess, usesShared, clientTimeout: timeoutMs, paths } = settings;
  if (isSocketNamed || isInProcess || !usesShared) return undefined;
  const socket = paths.sharedSocket;
  try {
    const connection = await Connection.open(socket, { timeoutMs, refusedPatienceMs: 0 });
    return await askShared(connection, settings, own, async (link, { uid }) => {
      const { version: served, pid } = await link.request("Hello", { version });
      return uid === own ? undefined : { socket, uid, pid, version: served };
    });
  } catch (error) {
    if (error instanceof KeyholeError) return undefined;
    throw error;
  }
}

/**
 * Before a daemon of the user's own is started: it does not know the shared daemon's configs.
 *
 * @param isMeant `--own`
 * @param hint what to type instead
 * @throws KeyholeError `already-running` where the shared daemon serves this user, who has no such config
 */
export async function refuseBesideShared(
  { settings, target, host }: Pick<CommandContext, "settings" | "target" | "host">,
  { name, isMeant, hint }: { readonly name: string | undefined; readonly isMeant: boolean; readonly hint: string },
): Promise<void> {
  if (isMeant || findSource(settings, target(), name).kind !== "shared") return;
  const service = await findSharedService(settings, host.userId());
  if (service === undefined) return;
  const message = `the shared daemon at ${service.socket} serves you; with --own you get one of your own, which knows none of its configs`;
  throw new KeyholeError("already-running", message, hint);
}

async function askShared<Result>(
  connection: Connection,
  { paths }: Settings,
  own: number,
  ask: (connection: Connection, peer: PeerIdentity) => Promise<Result>,
): Promise<Result> {
  try {
    const { loadNative } = await import("../../native/load.ts");
    const peer = connection.identify((socket) => identifyPeer(loadNative(), socket));
    refuseImpostor(peer, paths.sharedSocket, own);
    return await ask(connection, peer);
  } finally {
    connection.close();
  }
}

async function open(
  { paths, isSocketNamed, clientTimeout, isTimeoutNamed }: Settings,
  config: string,
): Promise<Connection> {
  const { configDir, sharedSocket } = paths;
  try {
    const isThere = isTimeoutNamed ? undefined : () => isDaemonThere(sharedSocket);
    return await Connection.open(sharedSocket, { timeoutMs: clientTimeout, isThere });
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    const tried = isSocketNamed ? "" : `, and you have no config ${config} in ${configDir}`;
    if (error.kind === "unreachable") {
      throw new KeyholeError(
        "unreachable",
        `no daemon answers at the shared socket ${sharedSocket} (autostart suppressed)${tried}`,
        "start it as its operator: keyhole --daemon --shared",
      );
    }
    // Which file mode or sandbox it was, is what the hint is about: EPERM is a sandbox's.
    const isClosed = error.kind === "unsafe-path" || (error.kind === "blocked" && !error.message.endsWith("(EPERM)"));
    if (!isClosed) throw error;
    throw new KeyholeError(
      "forbidden",
      `the daemon at the shared socket ${sharedSocket} does not serve this user${tried}`,
      "ask its operator to run: sudo keyhole setup agent-access --agent-user USER",
    );
  }
}

/** Write permission of others: the first user to come makes what is in there. */
const PUBLIC = 0o002;

/**
 * Only the owner of the socket's directory, or a service manager, listens in it; and in a public directory,
 * such as /tmp or macOS's /Users/Shared, only the caller or root makes that one.
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
      `${inner} belongs to another user, and any user may have made it`,
      lookAt(inner),
    );
  }
}

/** Follows links; those above a directory of root's are root's. */
function look(path: string) {
  try {
    return statSync(path);
  } catch (error) {
    throw pathError(error, path, "look at");
  }
}
