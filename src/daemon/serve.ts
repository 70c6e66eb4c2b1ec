// The daemon's parts, put together: the only file that knows them all. Takes the lock, listens, says that it is ready,
// and ends in order.
import { createSessionConfigs } from "./sessions/selection.ts";
import { type Environment, selectBaseEnvironment, selectSourceEnvironment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { ensurePrivateDirectory } from "../files/directories.ts";
import { openGrantStore } from "../grants/store.ts";
import { type LitteredPlace, sweep } from "../files/writing.ts";
import { isOwnerOrRoot, type Native } from "../native/native.ts";
import { baseOf, directoryOf, type Paths } from "../paths.ts";
import type { Settings } from "../settings.ts";
import { version } from "../version.ts";
import { CONTROL_REQUEST_LIMIT } from "../wire/frame.ts";
import { formatReady, WAITING } from "../wire/readiness.ts";
import { createRequestAudit, recordIssues } from "./audit/requests.ts";
import { openAuditFile } from "./audit/file.ts";
import { systemClock } from "../clock.ts";
import { type Caller, createDispatch, type Handlers } from "../server/dispatch.ts";
import { divideDescriptors } from "./grants/directory.ts";
import { serveGrants } from "./grants/serve.ts";
import { createHandlers } from "./handlers.ts";
import type { Image } from "./image.ts";
import { listen } from "../server/listener.ts";
import { awaitSuccessor, hasSuccessor, type Lock, succeed, takeLock } from "./lock.ts";
import { openLogFile } from "./logs/rotatingfile.ts";
import { limitLog } from "../server/log.ts";
import { createNotices, type Offer, takeSockets } from "./systemd.ts";
import { type Memory, memoryPath, openMemory, rememberChanges } from "./sessions/memory.ts";
import { createDirectoryNames, hideFormerNames } from "./mounts/names.ts";
import { serveOne } from "./once.ts";
import { createIdentify } from "../server/peers.ts";
import { Sessions } from "./sessions/sessions.ts";
import { checkSharedDirectory, serveShared } from "./members/serve.ts";
import { createSource, MAX_FLIGHTS } from "./source.ts";
import { Counters, statusOf } from "./status.ts";
import { Keyring } from "./sessions/static-keys.ts";
import { watchSocket, pinHome, type PinnedHome } from "../server/watch-socket.ts";

/** How long answers under way may take when the daemon ends, in milliseconds. */
const PATIENCE = 2000;
/** Descriptors kept for everything but connections: STS, children, files. */
const RESERVED_DESCRIPTORS = 48;

/** Of members on the shared socket; a member's question takes a millisecond. */
const MEMBER_CONNECTIONS = 256;
/** How this process came to be, and what it may use. */
export interface Start {
  readonly native: Native;
  readonly image: Image;
  readonly offer: Offer;
  readonly descriptors: number;
  readonly environment: Environment;
  /** Wait for the daemon that runs to end. */
  readonly replaces: boolean;
  /** Of this very daemon, which gave way to another that did not begin. */
  readonly kept?: Kept | undefined;
}

interface Kept {
  readonly core: Core;
  readonly lock: Lock;
}

type Core = ReturnType<typeof openCore>;

/**
 * Until a signal, a Stop or another daemon ends it.
 *
 * @throws KeyholeError if it cannot begin: `already-running`, `unsafe-path`, `usage`
 */
export async function serve(settings: Settings, start: Start): Promise<void> {
  const { native, image, offer, descriptors, environment, replaces, kept } = start;
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
  const succession = replaces ? await succeed(paths.lock, native, () => console.log(WAITING)) : undefined;
  const lock = kept?.lock ?? succession?.lock ?? takeLock(paths.lock, native);
  const base = selectBaseEnvironment(environment);
  const core = kept?.core ?? openCore(settings, owner, base);
  const { names, logFile, peerLog, auditFile, source, transport, configs, counters, sessions, keyring, home } = core;
  const { log } = logFile;
  const { record } = auditFile;
  const audit = createRequestAudit(record, systemClock, "control");

  const room = divideDescriptors(descriptors - RESERVED_DESCRIPTORS, settings.maxConnections);
  const maxConnections = room.control;
  const members =
    sharedSocket === undefined ? 0 : Math.max(1, Math.min(MEMBER_CONNECTIONS, Math.floor(room.grants / 2)));

  const self = { version, pid: process.pid };
  const startedAt = systemClock.wall();
  const identify = createIdentify(native, process.pid);
  const grants = await serveGrants({
    keyring,
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
    recordSoon: auditFile.recordSoon,
  });
  const ended = Promise.withResolvers<string>();
  const handlers = createHandlers({
    sessions,
    grants,
    configs,
    configDir: paths.defaultConfigDir,
    socketPath: paths.socket,
    log: peerLog,
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
  const refusing = refuseElsewhere(handlers, home, paths.home, () => ended.resolve("another home"));
  const dispatch = createDispatch(
    rememberChanges(refusing, (name) => core.memory?.forget(name) ?? false),
    peerLog,
    true,
  );
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
          configs,
          directory: paths.configDir === paths.defaultConfigDir ? undefined : paths.configDir,
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
  const socketWatch = watchSocket({
    path: paths.socket,
    listener,
    lock,
    takeLock: () => takeLock(paths.lock, native),
    home,
    makeDirectory: makeSocketDirectory,
    clock: systemClock,
    log: peerLog,
    giveWay: (reason) => {
      core.memory?.abandon();
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
    log("warn", "KEYHOLE_SOCKET_MODE gives no other user access: the control socket answers its owner and root alone");
  record({ kind: "daemon", transport: "daemon", outcome: "ok", note: kept === undefined ? "started" : "goes on" });
  if (kept === undefined) console.log(formatReady(paths.socket));
  // Until here it was build.ts's: to start was more than to be fast.
  Bun.unsafe.setJITPolicy(1);
  succession?.complete();
  notices.ready(`serving at ${[paths.socket, ...(sharedSocket === undefined ? [] : [sharedSocket])].join(" and ")}`);
  // Behind the line, because whoever waits for it need not wait for this; no request is read before it is done.
  core.memory ??= openMemory({ path: memoryPath(paths), home, sessions, keyring, clock: systemClock, log: peerLog });

  image.sweep();

  const swept = sweep(litteredPlaces(paths));
  if (swept > 0) log("info", "unfinished files removed", { count: swept });

  const reason = await ended.promise;
  log("info", "daemon ending", { reason });
  notices.stopping();
  socketWatch.stop();
  await Promise.all([listener, grants, ...(shared === undefined ? [] : [shared])].map((each) => each.close(PATIENCE)));
  core.memory.close();
  if (reason === "stop" && hasSuccessor(paths.lock, native)) {
    socketWatch.lock.release();
    const again = await awaitSuccessor(paths.lock, native);
    if (again !== undefined) {
      log("warn", "the next daemon did not begin: this one goes on");
      for (const event of ["SIGTERM", "SIGINT", "SIGHUP", "unhandledRejection"]) process.removeAllListeners(event);
      return serve(settings, { ...start, replaces: false, kept: { core, lock: again } });
    }
  }
  sessions.stop();
  transport.close();
  log("info", "daemon ended");
  audit.flush();
  record({ kind: "daemon", transport: "daemon", outcome: "ok", note: "ended" });
  auditFile.close();
  logFile.close();
  socketWatch.lock.release();
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

/** A person may name directories for configs, socket and log in which much else is. */
function litteredPlaces({ configDir, grantDir, runDir, audit, socket, log }: Paths): LitteredPlace[] {
  const own = [grantDir, runDir, directoryOf(audit)].map((directory) => ({ directory, isOurs: undefined }));
  return [
    ...own,
    { directory: configDir, isOurs: (name) => name.endsWith(".yaml") },
    { directory: directoryOf(socket), isOurs: (name) => name === baseOf(socket) },
    { directory: directoryOf(log), isOurs: (name) => name.startsWith(baseOf(log)) },
  ];
}

/** What outlives a place at the socket: credentials and counters, and where all of it is written down. */
function openCore({ paths, maxSessions, hasDiskLogs }: Settings, owner: number, base: Record<string, string>) {
  const disabled = !hasDiskLogs;
  const names = createDirectoryNames(paths.grantMounts, (...line) => logFile.log(...line));
  const trouble = hideFormerNames(openGrantStore(paths.grantDir), paths, names);
  const logFile = openLogFile(paths.log, systemClock, names.hide, disabled);
  if (trouble !== undefined) {
    logFile.log("warn", "names of grants' directories stay in former lines", { error: trouble });
  }
  const peerLog = limitLog(logFile.log, systemClock);
  const auditFile = openAuditFile({ path: paths.audit, clock: systemClock, hide: names.hide, disabled });
  const configs = createSessionConfigs(paths.defaultConfigDir);
  const counters = new Counters();
  const { source, transport } = createSource(paths.socket, owner, base);
  const recordIssue = recordIssues(auditFile.record);
  const sessions = new Sessions({
    counters,
    source,
    configs,
    clock: systemClock,
    random: Math.random,
    // A peer may add and remove sessions as often as it likes.
    log: peerLog,
    maxSessions,
    maxFlights: MAX_FLIGHTS,
    settled: (session) => {
      recordIssue(session);
      if (session.issue !== undefined && session.lastError === undefined) keyring.confirm(session.environment);
      core.memory?.changed();
    },
  });
  const keyring = new Keyring(() => core.memory?.heal());
  const home = pinHome(paths.home);
  const parts = { names, logFile, peerLog, auditFile, source, transport, configs, counters, sessions, keyring, home };
  // It brings sessions back, for which whoever waits for the daemon need not wait.
  const core: typeof parts & { memory: Memory | undefined } = { ...parts, memory: undefined };
  return core;
}
