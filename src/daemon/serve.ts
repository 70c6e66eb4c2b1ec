// The daemon's parts, put together: the only file that knows them all. Takes the lock, listens, says that it is ready,
// and ends in order.
import { createSessionConfigs } from "./sessions/selection.ts";
import { type Environment, selectBaseEnvironment, selectSourceEnvironment } from "../environment.ts";
import { keyholeErrorOf } from "../errors.ts";
import { ensurePrivateDirectory } from "../files/directories.ts";
import { type LitteredPlace, sweep } from "../files/writing.ts";
import type { Native } from "../native/native.ts";
import { baseOf, directoryOf, type Paths } from "../paths.ts";
import type { Settings } from "../settings.ts";
import { version } from "../version.ts";
import { formatReady, WAITING } from "../wire/readiness.ts";
import { recordIssues } from "./audit/requests.ts";
import { openAuditFile } from "./audit/file.ts";
import { systemClock } from "../clock.ts";
import { serveControl } from "./control.ts";
import { divideDescriptors } from "./grants/directory.ts";
import { serveGrants } from "./grants/serve.ts";
import type { Image } from "./image.ts";
import { awaitSuccessor, hasSuccessor, type Lock, succeed, takeLock } from "./lock.ts";
import { openLogFile } from "./logs/rotatingfile.ts";
import { limitLog } from "../server/log.ts";
import { createNotices, type Offer, takeSockets } from "./systemd.ts";
import { type Memory, memoryPath, openMemory } from "./sessions/memory.ts";
import { createDirectoryNames } from "./mounts/directory-names.ts";
import { createIdentify, MOST_HELD } from "../server/peers.ts";
import type { SourceEnvironment } from "../sources/source.ts";
import { Sessions } from "./sessions/sessions.ts";
import { checkSharedDirectory, serveShared } from "./members/serve.ts";
import { createSource, MAX_FLIGHTS } from "./credential-source.ts";
import { Counters } from "./status.ts";
import { Keyring } from "./sessions/static-keys.ts";
import { pinHome } from "../server/watch-socket.ts";

/** How long answers under way may take when the daemon ends, in milliseconds. */
const PATIENCE = 2000;
/** Descriptors kept for everything but connections: STS, children, files. */
const RESERVED_DESCRIPTORS = 48;
/** Of so many some are there for the peers that ask often. */
const MANY_DESCRIPTORS = 1024;

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
  /** Of the shell that it was launched from. */
  readonly keys: SourceEnvironment;
  /** Of this very daemon, which gave way to another that did not begin. */
  readonly kept?: Kept | undefined;
}

interface Kept {
  readonly core: Core;
  readonly lock: Lock;
}

export type Core = ReturnType<typeof openCore>;
export type Place = Awaited<ReturnType<typeof takePlace>>;
export type Others = Awaited<ReturnType<typeof serveOthers>>;
export type End = (reason: string) => void;

/**
 * Until a signal, a Stop or another daemon ends it.
 *
 * @throws KeyholeError if it cannot begin: `already-running`, `unsafe-path`, `usage`
 */
export async function serve(settings: Settings, start: Start): Promise<void> {
  const { native, image, kept } = start;
  const { paths } = settings;
  const ended = Promise.withResolvers<string>();
  const place = await takePlace(settings, start);
  const core = kept?.core ?? openCore(settings, place);
  const others = await serveOthers(start, settings, place, core);
  const control = await serveControl(start, settings, place, core, others, ended.resolve);
  const { log } = core.logFile;
  const { record } = core.auditFile;

  obeySignals(ended.resolve, core, others);
  log("info", "daemon started", {
    version,
    pid: process.pid,
    socket: paths.socket,
    maxConnections: place.room.control,
  });
  if (settings.socketMode !== 0o600)
    log("warn", "KEYHOLE_SOCKET_MODE gives no other user access: the control socket answers its owner and root alone");
  record({ kind: "daemon", transport: "daemon", outcome: "ok", note: kept === undefined ? "started" : "goes on" });
  if (kept === undefined) console.log(formatReady(paths.socket));
  // Until here it was build.ts's: to start was more than to be fast. At 1 the compilers' memory is 3 to 6 MiB more, and no
  // vend is faster.
  Bun.unsafe.setJITPolicy(4);
  place.succession?.complete();
  const sockets = [paths.socket, ...(place.sharedSocket === undefined ? [] : [place.sharedSocket])];
  place.notices.ready(`serving at ${sockets.join(" and ")}`);
  // After the line, because a client that waits for it need not wait for this; no request is read before it is done.
  const { sessions, memory, peerLog } = core;
  memory.current ??= openMemory({ ...core, path: memoryPath(paths), clock: systemClock, log: peerLog });
  core.keyring.note(start.keys);
  image.sweep();
  const swept = sweep(litteredPlaces(paths));
  if (swept > 0) log("info", "unfinished files removed", { count: swept });

  const reason = await ended.promise;
  log("info", "daemon ending", { reason });
  place.notices.stopping();
  control.socketWatch.stop();
  const { grants, shared } = others;
  const serving = [control.listener, grants, ...(shared === undefined ? [] : [shared])];
  await Promise.all(serving.map((each) => each.close(PATIENCE)));
  memory.current.close();
  if (reason === "stop" && hasSuccessor(paths.lock, native)) {
    control.socketWatch.lock.release();
    const again = await awaitSuccessor(paths.lock, native);
    if (again !== undefined) {
      log("warn", "the next daemon did not begin: this one goes on");
      for (const event of ["SIGTERM", "SIGINT", "SIGHUP", "unhandledRejection"]) process.removeAllListeners(event);
      return serve(settings, { ...start, replaces: false, kept: { core, lock: again } });
    }
  }
  sessions.stop();
  core.transport.close();
  log("info", "daemon ended");
  control.audit.flush();
  record({ kind: "daemon", transport: "daemon", outcome: "ok", note: "ended" });
  core.auditFile.close();
  core.logFile.close();
  control.socketWatch.lock.release();
}

/** What must be this daemon's before it serves: the sockets of a service manager, the directories, the lock. */
async function takePlace(settings: Settings, { native, offer, descriptors, environment, replaces, kept }: Start) {
  const { paths } = settings;
  const owner = process.geteuid?.() ?? -1;
  const sharedSocket = settings.isShared ? paths.sharedSocket : undefined;
  const inherited = takeSockets(offer, { control: paths.socket, shared: sharedSocket }, owner, native);
  const notices = createNotices(offer, native, systemClock);
  const makeSocketDirectory = () => ensurePrivateDirectory(directoryOf(paths.socket), settings.socketDirMode);
  makeSocketDirectory();
  // Before the daemon that is to be replaced ends.
  if (sharedSocket !== undefined) checkSharedDirectory(sharedSocket, owner);
  if (settings.hasDiskLogs) for (const file of [paths.log, paths.audit]) ensurePrivateDirectory(directoryOf(file));
  const succession = replaces ? await succeed(paths.lock, native, () => console.log(WAITING)) : undefined;
  const lock = kept?.lock ?? succession?.lock ?? takeLock(paths.lock, native);
  const mostHeld = descriptors < MANY_DESCRIPTORS ? 0 : MOST_HELD;
  const room = {
    mostHeld,
    ...divideDescriptors(descriptors - RESERVED_DESCRIPTORS - 2 * mostHeld, settings.maxConnections),
  };
  const members =
    sharedSocket === undefined ? 0 : Math.max(1, Math.min(MEMBER_CONNECTIONS, Math.floor(room.grants / 2)));
  const base = selectBaseEnvironment(environment);
  const self = { version, pid: process.pid };
  return { owner, sharedSocket, inherited, notices, makeSocketDirectory, succession, lock, room, members, base, self };
}

/** What outlives a place at the socket: credentials and counters, and where all of it is written down. */
function openCore({ paths, maxSessions, hasDiskLogs }: Settings, { owner, base }: Pick<Place, "owner" | "base">) {
  const home = pinHome(paths.home);
  const names = createDirectoryNames(paths.grantMounts);
  const files = { home, clock: systemClock, hide: names.hide, disabled: !hasDiskLogs };
  const logFile = openLogFile({ ...files, path: paths.log });
  const peerLog = limitLog(logFile.log, systemClock);
  const auditFile = openAuditFile({ ...files, path: paths.audit });
  // It is opened when the daemon serves: it brings sessions back, for which no client that starts a daemon need wait.
  const memory: { current: Memory | undefined } = { current: undefined };
  const configs = createSessionConfigs(paths.defaultConfigDir, () => memory.current?.changed());
  const counters = new Counters();
  const { source, transport, codes } = createSource(paths.socket, owner, base);
  const keyring = new Keyring(() => memory.current?.heal());
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
      memory.current?.changed();
    },
  });
  return {
    home,
    names,
    logFile,
    peerLog,
    auditFile,
    configs,
    counters,
    source,
    transport,
    codes,
    memory,
    keyring,
    sessions,
  };
}

/** Grants and members: each with sockets of its own. */
async function serveOthers({ native, image }: Start, { paths }: Settings, place: Place, core: Core) {
  const { owner, base, room, members, sharedSocket, self } = place;
  const { configs, sessions, auditFile } = core;
  const { record, recordSoon } = auditFile;
  const identify = createIdentify(native, process.pid, "accept", room.mostHeld);
  const common = { owner, configs, sessions, native, identify, clock: systemClock, log: core.peerLog, record };
  const grants = await serveGrants({
    ...common,
    keyring: core.keyring,
    paths,
    names: core.names,
    source: core.source,
    counters: core.counters,
    descriptors: room.grants - members,
    base,
    executable: image.executable,
    recordSoon,
  });
  if (sharedSocket === undefined) return { grants, shared: undefined };
  const shared = await serveShared({
    ...common,
    socketPath: sharedSocket,
    inherited: place.inherited.shared,
    policyPath: paths.sharedPolicy,
    maxConnections: members,
    directory: paths.configDir === paths.defaultConfigDir ? undefined : paths.configDir,
    environment: selectSourceEnvironment(base, () => process.cwd()),
    self,
  });
  return { grants, shared };
}

function obeySignals(end: End, { logFile, auditFile }: Core, { grants, shared }: Others): void {
  const reloads = {
    log: () => logFile.reopen(),
    audit: () => auditFile.reopen(),
    grants: () => grants.reload(),
    members: () => shared?.reload(),
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => end(signal));
  process.on("SIGHUP", () => {
    // What one part cannot do is its own trouble.
    for (const [part, reload] of Object.entries(reloads)) {
      Promise.try(reload).catch((error: unknown) =>
        logFile.log("error", "not reloaded", { part, error: keyholeErrorOf(error).message }),
      );
    }
  });
  process.on("unhandledRejection", (reason) => {
    logFile.log("error", "unhandled rejection", { stack: reason instanceof Error ? reason.stack : String(reason) });
  });
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
