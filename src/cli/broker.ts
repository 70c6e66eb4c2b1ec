// Commands ⇄ the daemon: one connection for each command, and the one way to credentials.
import { Connection } from "../client/connection.ts";
import { KeyholeError } from "../errors.ts";
import { refuseLoop } from "../loop.ts";
import { identifyPeer, isOwnerOrRoot } from "../native/peer.ts";
import { quotePosix } from "../quoting.ts";
import type { Settings } from "../settings.ts";
import type { ResponseOf, SessionInfo } from "../wire/messages.ts";
import type { CommandContext } from "./command.ts";
import { sourceEnvironment } from "./refreshing.ts";

type Caller = Pick<CommandContext, "settings" | "environment" | "host">;

/** Runs `use` with a connection that is closed behind it. @throws KeyholeError as Connection.open does. */
export async function withDaemon<Result>(
  settings: Settings,
  use: (connection: Connection) => Promise<Result>,
  options: { readonly refusedPatienceMs?: number } = {},
): Promise<Result> {
  const connection = await Connection.open(settings.paths.socket, { timeoutMs: settings.clientTimeout, ...options });
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}

/** As `withDaemon`, and undefined where no daemon answers, also because it goes away meanwhile. */
export async function withDaemonIfAny<Result>(
  settings: Settings,
  use: (connection: Connection) => Promise<Result>,
  options?: { readonly refusedPatienceMs?: number },
): Promise<Result | undefined> {
  try {
    return await withDaemon(settings, use, options);
  } catch (error) {
    if (error instanceof KeyholeError && error.kind === "unreachable") return undefined;
    throw error;
  }
}

/**
 * Credentials of a config; its session is added if there is none, with this caller's environment. A refusal by AWS
 * comes from the `Add`, so it is shown once and STS was called once (PEERS.md E-096).
 */
export function vend(caller: Caller, name: string): Promise<ResponseOf<"Vend">> {
  return withSession(caller, name, (connection) => connection.request("Vend", { config: name }));
}

/** Asks something of a session, and adds the session if the daemon has none of that name. */
export async function withSession<Result>(
  caller: Caller,
  name: string,
  ask: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const { settings, environment } = caller;
  refuseLoop(environment, name, settings.paths.socket);
  return withDaemon(settings, async (connection) => {
    try {
      return await ask(connection);
    } catch (error) {
      if (!(error instanceof KeyholeError) || error.kind !== "no-such-session") throw error;
    }
    await addSession(connection, caller, name, { verify: true, renew: false });
    return ask(connection);
  });
}

/**
 * Makes a session of a config, with the variables of this caller that select source credentials.
 *
 * @throws KeyholeError `unsafe-path` rather than send them to another user's process.
 */
export async function addSession(
  connection: Connection,
  caller: Caller,
  name: string,
  options: { readonly verify: boolean; readonly renew: boolean },
): Promise<SessionInfo> {
  await refuseForeignDaemon(connection, caller.settings);
  const { paths } = caller.settings;
  const variables = sourceEnvironment(caller.environment, paths, name, () => caller.host.cwd());
  const environment = Object.entries(variables).map(([variable, value]) => ({ name: variable, value }));
  return connection.request("Add", { config: name, environment, ...options });
}

/**
 * The variables may be keys, and whoever can write to the socket's directory can listen there. Root is let through on
 * both sides: as the daemon of a service, and as `sudo -E keyhole`.
 */
async function refuseForeignDaemon(connection: Connection, { paths }: Settings): Promise<void> {
  const own = process.getuid?.();
  if (own === undefined || own === 0) return;
  const { loadNative } = await import("../native/load.ts");
  const peer = connection.identify((socket) => identifyPeer(loadNative(), socket));
  if (isOwnerOrRoot(peer, own)) return;
  throw new KeyholeError(
    "unsafe-path",
    `what answers at ${paths.socket} belongs to another user (uid ${peer.uid})`,
    `ls -l ${quotePosix(paths.socket)}`,
  );
}
