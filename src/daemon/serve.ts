// The daemon's parts, put together: the only file that knows them all. Takes the lock, listens, says that it is ready,
// and ends in order.
import { createConfigReader } from "../config/store.ts";
import { type Environment, selectBaseEnvironment, selectSourceEnvironment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { ensurePrivateDirectory } from "../files/directories.ts";
import { openGrantStore } from "../grants/store.ts";
import { sweep } from "../files/unfinished.ts";
import type { Native } from "../native/native.ts";
import { isOwnerOrRoot } from "../native/peer.ts";
import { directoryOf } from "../paths.ts";
import type { Settings } from "../settings.ts";
import { version } from "../version.ts";
import { CONTROL_REQUEST_LIMIT } from "../wire/frame.ts";
import { formatReady, WAITING } from "../wire/readiness.ts";
import { recordIssues } from "./audit/evidence.ts";
import { openAuditFile } from "./audit/file.ts";
import { createRequestAudit } from "./audit/requests.ts";
import { systemClock } from "./clock.ts";
import { Counters } from "./counters.ts";
import { createDispatch } from "./dispatcher.ts";
import { hideFormerNames } from "./grants/former.ts";
import { divideDescriptors } from "./grants/room.ts";
import { serveGrants } from "./grants/serve.ts";
import { createHandlers } from "./handlers.ts";
import type { Image } from "./image.ts";
import { listen } from "./listener.ts";
import { awaitLock, takeLock } from "./lock.ts";
import { openLogFile } from "./logs/file.ts";
import { limitLog } from "./logs/limit.ts";
import { createNotices, type Offer, takeSockets } from "./manager.ts";
import { memoryPath, openMemory, rememberChanges } from "./memory.ts";
import { createDirectoryNames } from "./mounts/names.ts";
import { serveOne } from "./once.ts";
import { createIdentify } from "./peers.ts";
import { Sessions } from "./sessions.ts";
import { checkSharedDirectory } from "./shared/directory.ts";
import { serveShared } from "./shared/serve.ts";
import { createSource, MAX_FLIGHTS } from "./source.ts";
import { statusOf } from "./status.ts";
import { keepVigil } from "./vigil.ts";

/** How long answers under way may take when the daemon ends, in milliseconds (DESIGN.md, 9). */
const PATIENCE = 2000;
/** Descriptors kept for everything but connections: STS, children, files. */
const RESERVED_DESCRIPTORS = 48;

/** Of members on the shared socket; a member's question takes a millisecond. */
const MEMBER_CONNECTIONS = 256;
/** Milliseconds between two looks at the lock of a daemon that ends, and how often it is looked at: for 20 s. */
const PAUSE = 1;
const MOST_PAUSES = 20_000;

/** How this process came to be, and what it may use. */
export interface Start {
  readonly native: Native;
  readonly image: Image;
  readonly offer: Offer;
  readonly descriptors: number;
  readonly environment: Environment;
  /** Wait for the daemon that runs to end. */
  readonly replaces: boolean;
}

/**
 * Until a signal, a Stop or another daemon ends it.
 *
 * @throws KeyholeError if it cannot begin: `already-running`, `unsafe-path`, `usage`
 */
export async function serve(
  settings: Settings,
  { native, image, offer, descriptors, environment, replaces }: Start,
): Promise<void> {
  const { paths } = settings;
  const sharedSocket = settings.isShared ? paths.sharedSocket : undefined;
  const owner = process.geteuid?.() ?? -1;
  const inherited = takeSockets(offer, { control: paths.socket, shared: sharedSocket }, owner, native);
  const notices = createNotices(offer, native, systemClock);
  const disabled = !settings.hasDiskLogs;
  const makeSocketDirectory = () => ensurePrivateDirectory(directoryOf(paths.socket), settings.socketDirMode);
  makeSocketDirectory();
  // Before the daemon that is to be replaced ends.
  if (sharedSocket !== undefined) checkSharedDirectory(sharedSocket, owner);
  if (!disabled) for (const file of [paths.log, paths.audit]) ensurePrivateDirectory(directoryOf(file));
  const lock = replaces
    ? await awaitLock(paths.lock, native, pause, MOST_PAUSES, () => console.log(WAITING))
    : takeLock(paths.lock, native);
  const names = createDirectoryNames(paths.grantMounts, (...line) => log(...line));
  const trouble = hideFormerNames(openGrantStore(paths.grantDir), paths, names);
  const logFile = openLogFile(paths.log, systemClock, names.hide, disabled);
  const { log } = logFile;
  if (trouble !== undefined) log("warn", "names of grants' directories stay in former lines", { error: trouble });
  const peerLog = limitLog(log, systemClock);
  const auditFile = openAuditFile({ path: paths.audit, clock: systemClock, hide: names.hide, disabled });
  const { record } = auditFile;
  const audit = createRequestAudit(record, systemClock, "control");

  const room = divideDescriptors(descriptors - RESERVED_DESCRIPTORS, settings.maxConnections);
  const maxConnections = room.control;
  const members =
    sharedSocket === undefined ? 0 : Math.max(1, Math.min(MEMBER_CONNECTIONS, Math.floor(room.grants / 2)));
  const base = selectBaseEnvironment(environment);
  const { source, transport } = createSource(paths.socket, owner, base);
  const configs = createConfigReader(paths.configDir);
  const counters = new Counters();
  const sessions = new Sessions({
    counters,
    source,
    configs,
    clock: systemClock,
    random: Math.random,
    // A peer may add and remove sessions as often as it likes.
    log: peerLog,
    maxSessions: settings.maxSessions,
    maxFlights: MAX_FLIGHTS,
    settled: recordIssues(record),
  });

  const self = { version, pid: process.pid };
  const startedAt = systemClock.wall();
  const identify = createIdentify(native, process.pid);
  const grants = await serveGrants({
    paths,
    names,
    owner,
    configs,
    source,
    sessions,
    counters,
    descriptors: room.grants - members,
    base,
    executable: image.executable,
    native,
    identify,
    clock: systemClock,
    log: peerLog,
    record,
  });
  const ended = Promise.withResolvers<string>();
  const handlers = createHandlers({
    sessions,
    grants,
    socketPath: paths.socket,
    log: peerLog,
    audit,
    self,
    status: () =>
      statusOf({
        self,
        startedAt,
        socket: paths.socket,
        log: paths.log,
        configDir: paths.configDir,
        maxSessions: settings.maxSessions,
        sharedSocket,
        managed: inherited.control !== undefined || inherited.shared !== undefined,
        hasDiskLogs: settings.hasDiskLogs,
        image,
        listener,
        sessions,
        counters,
        shared,
      }),
    stop: () => ended.resolve("stop"),
  });
  const dispatch = createDispatch(rememberChanges(handlers, { changed: () => memory.changed() }), peerLog);
  const oneClient = settings.once ? serveOne(dispatch, () => ended.resolve("once")) : { dispatch, closed: undefined };
  const shared =
    sharedSocket === undefined
      ? undefined
      : await serveShared({
          socketPath: sharedSocket,
          inherited: inherited.shared,
          policyPath: paths.sharedPolicy,
          owner,
          maxConnections: members,
          sessions,
          environment: selectSourceEnvironment(base, () => process.cwd()),
          native,
          identify,
          self,
          clock: systemClock,
          log: peerLog,
          record,
        });
  const listener = await listen({
    path: paths.socket,
    inherited: inherited.control,
    mode: settings.socketMode,
    maxConnections,
    requestLimit: CONTROL_REQUEST_LIMIT,
    // Only the owner's own processes come here, many of them a second.
    identify: createIdentify(native, process.pid, "question"),
    isAllowed: (peer) => {
      const isAllowed = isOwnerOrRoot(peer, owner);
      if (!isAllowed) audit.refused("vend", undefined, new KeyholeError("forbidden", "not the owner"), peer);
      return isAllowed;
    },
    dispatch: (frame, caller) => {
      counters.requests += 1;
      return oneClient.dispatch(frame, caller);
    },
    closed: oneClient.closed,
    clock: systemClock,
    log: peerLog,
  });
  const vigil = keepVigil({
    path: paths.socket,
    listener,
    lock,
    takeLock: () => takeLock(paths.lock, native),
    makeDirectory: makeSocketDirectory,
    clock: systemClock,
    log: peerLog,
    giveWay: (reason) => {
      memory.abandon();
      ended.resolve(reason);
    },
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => ended.resolve(signal));
  process.on("SIGHUP", () => {
    logFile.reopen();
    auditFile.reopen();
    void grants.reload();
    shared?.reload();
  });
  process.on("unhandledRejection", (reason) => {
    log("error", "unhandled rejection", { stack: reason instanceof Error ? reason.stack : String(reason) });
  });
  log("info", "daemon started", { version, pid: process.pid, socket: paths.socket, maxConnections });
  if (settings.socketMode !== 0o600)
    log("warn", "KEYHOLE_SOCKET_MODE lets nobody else in: the control socket answers its owner and root alone");
  record({ kind: "daemon", transport: "daemon", outcome: "ok", note: "started" });
  console.log(formatReady(paths.socket));
  notices.ready(`serving at ${[paths.socket, ...(sharedSocket === undefined ? [] : [sharedSocket])].join(" and ")}`);
  // Behind the line, because whoever waits for it need not wait for this; no request is read before it is done.
  const memory = openMemory({
    path: memoryPath(paths),
    configDir: paths.configDir,
    sessions,
    clock: systemClock,
    log: peerLog,
  });

  image.sweep();

  const { configDir, grantDir, runDir } = paths;
  const swept = sweep([configDir, grantDir, runDir, ...[paths.socket, paths.log, paths.audit].map(directoryOf)]);
  if (swept > 0) log("info", "unfinished files removed", { count: swept });

  log("info", "daemon ending", { reason: await ended.promise });
  notices.stopping();
  vigil.stop();
  await Promise.all([listener, grants, ...(shared === undefined ? [] : [shared])].map((each) => each.close(PATIENCE)));
  memory.close();
  sessions.stop();
  transport.close();
  log("info", "daemon ended");
  audit.flush();
  record({ kind: "daemon", transport: "daemon", outcome: "ok", note: "ended" });
  auditFile.close();
  logFile.close();
  vigil.lock.release();
}

function pause(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, PAUSE));
}
