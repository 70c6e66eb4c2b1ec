// The control socket, which answers for all the others: handlers, what is checked around them, listener and watch.
import { KeyholeError } from "../errors.ts";
import { isOwnerOrRoot } from "../native/native.ts";
import type { Settings } from "../settings.ts";
import { CONTROL_REQUEST_LIMIT } from "../wire/frame.ts";
import { messages } from "../wire/messages.ts";
import { createRequestAudit } from "./audit/requests.ts";
import { systemClock } from "../clock.ts";
import { type Caller, createDispatch, type Dispatch, type Handlers } from "../server/dispatch.ts";
import { createHandlers } from "./handlers.ts";
import { listen } from "../server/listener.ts";
import { takeLock } from "./lock.ts";
import { rememberChanges } from "./sessions/memory.ts";
import { createIdentify } from "../server/peers.ts";
import { type PinnedHome, watchSocket } from "../server/watch-socket.ts";
import type { Core, End, Others, Place, Start } from "./serve.ts";
import { statusOf } from "./status.ts";

/** The control socket, which answers for all the others. */
export async function serveControl(
  { native, image }: Start,
  settings: Settings,
  place: Place,
  core: Core,
  { grants, shared }: Others,
  end: End,
) {
  const { paths, maxSessions, hasDiskLogs } = settings;
  const { owner, inherited, self, sharedSocket, lock, makeSocketDirectory, base } = place;
  const { sessions, codes, configs, counters, keyring, home, memory, peerLog: log } = core;
  const audit = createRequestAudit(core.auditFile.record, systemClock, "control", core.auditFile.recordSoon);
  const startedAt = systemClock.wall();
  const handlers = createHandlers({
    sessions,
    codes,
    grants,
    configs,
    configDir: paths.defaultConfigDir,
    socketPath: paths.socket,
    log,
    audit,
    self,
    keyring,
    base,
    status: () =>
      statusOf({
        self,
        startedAt,
        socket: paths.socket,
        log: paths.log,
        configDir: paths.configDir,
        maxSessions,
        sharedSocket,
        managed: inherited.control !== undefined || inherited.shared !== undefined,
        hasDiskLogs,
        image,
        sessions,
        counters,
        shared,
      }),
    stop: () => end("stop"),
  });
  const refusing = refuseElsewhere(handlers, home, paths.home, () => end("another home"));
  const remembering = rememberChanges(refusing, (name) => memory.current?.forget(name) ?? false);
  const dispatch = createDispatch(remembering, log, true);
  const oneClient = settings.once ? serveOne(dispatch, () => end("once")) : { dispatch, closed: undefined };
  const listener = await listen({
    path: paths.socket,
    inherited: inherited.control,
    mode: settings.socketMode,
    maxConnections: place.room.control,
    requestLimit: CONTROL_REQUEST_LIMIT,
    // Only the owner's own processes come here, many of them a second.
    identify: createIdentify(native, process.pid, "question", place.room.mostHeld),
    isAllowed: (peer) => {
      const isAllowed = isOwnerOrRoot(peer, owner);
      if (!isAllowed) audit.refused("vend", undefined, new KeyholeError("forbidden", "not the owner"), peer);
      return isAllowed;
    },
    dispatch: (frame, caller) => {
      counters.requests += 1;
      return oneClient.dispatch(frame, caller);
    },
    accepted: () => {
      counters.connections += 1;
    },
    closed: (caller) => {
      counters.connections -= 1;
      codes.left(caller.connection);
      oneClient.closed?.(caller);
    },
    clock: systemClock,
    log,
  });
  const socketWatch = watchSocket({
    path: paths.socket,
    listener,
    lock,
    takeLock: () => takeLock(paths.lock, native),
    home,
    makeDirectory: makeSocketDirectory,
    clock: systemClock,
    giveWay: (reason) => {
      memory.current?.abandon();
      end(reason);
    },
  });
  return { listener, socketWatch, audit };
}

/**
 * What changes grants is not written into another home than the one that they are of: a grant that was revoked there
 * would still be one here.
 */
function refuseElsewhere(handlers: Handlers, home: PinnedHome, path: string, end: () => void): Handlers {
  const check =
    (handle: (request: never, caller: Caller) => unknown) =>
    (request: never, caller: Caller): unknown => {
      if (!home.isReplaced) return handle(request, caller);
      end();
      throw new KeyholeError(
        "unsafe-path",
        `${path} is another directory than when this daemon began, which ends now: nothing was changed`,
        "keyhole daemon start",
      );
    };
  // By name, so that a message that is added is among them.
  const checked = Object.entries(handlers).filter(([name]) => name.startsWith("Grant"));
  return { ...handlers, ...Object.fromEntries(checked.map(([name, handle]) => [name, check(handle)])) };
}

/** With `--once`, what follows one client: the dispatch to serve it with, and what is to be called when a connection is closed. */
export interface OneClient {
  readonly dispatch: Dispatch;
  readonly closed: (caller: Caller) => void;
}

/**
 * The client is the peer that asks first. A Hello does not count: with one the client that started the daemon makes sure
 * that it is there.
 *
 * @param end called when the client's connection is closed
 */
export function serveOne(dispatch: Dispatch, end: () => void): OneClient {
  let client: number | undefined;
  return {
    dispatch: (frame, caller) => {
      if (frame.message !== messages.Hello.number) client ??= caller.connection;
      return dispatch(frame, caller);
    },
    closed: ({ connection }) => {
      if (connection === client) end();
    },
  };
}
