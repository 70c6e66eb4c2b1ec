// The daemon: the only file that knows all of its parts. Hardens the process, takes the lock, listens, says that it is
// ready, and ends in order.
import { parseArguments } from "../arguments.ts";
import { createConfigReader } from "../config/store.ts";
import { selectBaseEnvironment, selectSourceEnvironment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { ensurePrivateDirectory } from "../files/directories.ts";
import { openGrantStore } from "../grants/store.ts";
import { loadNative } from "../native/load.ts";
import type { Native } from "../native/native.ts";
import { isOwnerOrRoot } from "../native/peer.ts";
import { directoryOf } from "../paths.ts";
import { daemonOptions, resolveSettings, type Settings, settingOptions } from "../settings.ts";
import { createRemoteTransport } from "../sources/remote.ts";
import { createStsSource } from "../sources/sts.ts";
import { resolveTarget } from "../sources/target.ts";
import { build, version } from "../version.ts";
import { CONTROL_REQUEST_LIMIT } from "../wire/frame.ts";
import type { DaemonStatus } from "../wire/messages.ts";
import { formatFailure, formatReady, WAITING } from "../wire/readiness.ts";
import { selectAskpass } from "./askpass.ts";
import { openAuditFile } from "./audit.ts";
import { systemClock } from "./clock.ts";
import { Counters } from "./counters.ts";
import { createConfirmer } from "./confirmer.ts";
import { createDispatch } from "./dispatcher.ts";
import { recordIssues } from "./evidence.ts";
import { createPrivateCopy } from "./executable.ts";
import { createGrants } from "./grantregistry.ts";
import { divideDescriptors } from "./grantroom.ts";
import { createHandlers } from "./handlers.ts";
import { leaseParentOf } from "./leaseroot.ts";
import { listen } from "./listener.ts";
import { awaitLock, takeLock } from "./lock.ts";
import { openLogFile } from "./logfile.ts";
import { limitLog } from "./loglimit.ts";
import { memoryPath, openMemory, rememberChanges } from "./memory.ts";
import { createNotices, type Offer, readOffer, takeSockets } from "./manager.ts";
import { serveOne } from "./once.ts";
import { createIdentify } from "./peers.ts";
import { cleanEnvironment, descriptorLimit, harden, ownCommand, residentBytes } from "./process.ts";
import { createRequestAudit } from "./requestaudit.ts";
import { serveShared } from "./serveshared.ts";
import { Sessions } from "./sessions.ts";
import { userName } from "./user.ts";
import { keepVigil } from "./vigil.ts";

/** How long answers under way may take when the daemon ends, in milliseconds (DESIGN.md, 9). */
const PATIENCE = 2000;
/** AssumeRole calls at once, so that a thousand renewals do not trip the account's rate limit (DESIGN.md, 6). */
const MAX_FLIGHTS = 8;
/** How long a person has to answer a grant's question, in milliseconds: less than the 20 s that a client waits. */
const CONFIRMATION = 15_000;
/** Descriptors kept for everything but connections: STS, children, files. */
const RESERVED_DESCRIPTORS = 48;

/** Of members on the shared socket; a member's question takes a millisecond. */
const MEMBER_CONNECTIONS = 256;
/** Milliseconds between two looks at the lock of a daemon that ends, and how often it is looked at: for 20 s. */
const PAUSE = 1;
const MOST_PAUSES = 20_000;

/** What a daemon is told beside the settings. */
const ownOptions = {
  replace: { type: "boolean", description: "Wait for the daemon that runs to end; of `keyhole daemon restart`" },
} as const;

/** `keyhole --daemon OPTIONS`: in the foreground, until a signal or a Stop. */
export async function main(words: readonly string[]): Promise<void> {
  if (words.some((word) => word === "--help" || word === "-h")) {
    console.log("keyhole --daemon OPTIONS runs the daemon in the foreground; the options are those of: keyhole --help");
    return;
  }
  if (words.includes("--version")) {
    console.log(`keyhole ${version}`);
    return;
  }
  try {
    const values = parseArguments(words, { ...settingOptions, ...daemonOptions, ...ownOptions });
    const settings = resolveSettings(values, process.env, () => process.cwd());
    const native = loadNative();
    const offer = readOffer(process.env, process.pid);
    cleanEnvironment(native, words, process.env);
    const descriptors = descriptorLimit();
    harden(native);
    await serve(settings, { native, offer, descriptors, replaces: values.replace });
  } catch (error) {
    const failure = error instanceof KeyholeError ? error : new KeyholeError("start-failed", String(error));
    process.stderr.write(formatFailure(failure));
    process.exit(failure.exitStatus);
  }
}

/** How this process came to be, and what it may use. */
interface Start {
  readonly native: Native;
  readonly offer: Offer;
  readonly descriptors: number;
  /** Wait for the daemon that runs to end. */
  readonly replaces: boolean;
}

async function serve(settings: Settings, { native, offer, descriptors, replaces }: Start): Promise<void> {
  const { paths } = settings;
  const sharedSocket = settings.isShared ? paths.sharedSocket : undefined;
  const owner = process.geteuid?.() ?? -1;
  const inherited = takeSockets(offer, { control: paths.socket, shared: sharedSocket }, owner, native);
  const notices = createNotices(offer, native, systemClock);
  const disabled = !settings.hasDiskLogs;
  const makeSocketDirectory = () => ensurePrivateDirectory(directoryOf(paths.socket), settings.socketDirMode);
  makeSocketDirectory();
  if (!disabled) for (const file of [paths.log, paths.audit]) ensurePrivateDirectory(directoryOf(file));
  const lock = replaces
    ? await awaitLock(paths.lock, native, pause, MOST_PAUSES, () => console.log(WAITING))
    : takeLock(paths.lock, native);
  const logFile = openLogFile(paths.log, systemClock, disabled);
  const { log } = logFile;
  const peerLog = limitLog(log, systemClock);
  const auditFile = openAuditFile({ path: paths.audit, clock: systemClock, disabled });
  const { record } = auditFile;
  const audit = createRequestAudit(record, systemClock, "control");

  const room = divideDescriptors(descriptors - RESERVED_DESCRIPTORS, settings.maxConnections);
  const maxConnections = room.control;
  const members =
    sharedSocket === undefined ? 0 : Math.max(1, Math.min(MEMBER_CONNECTIONS, Math.floor(room.grants / 2)));
  const base = selectBaseEnvironment(process.env);
  const worker = [...ownCommand(), "--sts-worker", build];
  const transport = createRemoteTransport({ command: worker, environment: base, clock: systemClock });
  const source = createStsSource({
    user: userName(owner, process.env),
    transport,
    socketPath: paths.socket,
    command: [...ownCommand(), "--resolve-source", build],
    base,
    clock: systemClock,
  });
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
  let requests = 0;
  const status = (): Omit<DaemonStatus, "sessions"> => {
    const { clockSkew } = sessions;
    return {
      ...self,
      startedAt,
      socket: paths.socket,
      log: paths.log,
      configDir: paths.configDir,
      maxSessions: settings.maxSessions,
      connections: listener.connections,
      residentBytes: residentBytes(),
      clockBehindMs: Math.max(0, Math.round(clockSkew ?? 0)),
      clockAheadMs: Math.max(0, Math.round(-(clockSkew ?? 0))),
      sharedSocket,
      managed: inherited.control !== undefined || inherited.shared !== undefined,
      notes: shared ? [...shared.problems()] : [],
      counters: [
        { name: "requests", value: requests },
        { name: "vends", value: counters.vends },
        { name: "sts_calls", value: counters.assumes },
        { name: "sts_failures", value: counters.failures },
        { name: "evictions", value: counters.evictions },
        { name: "sts_latency_p50_ms", value: counters.percentile(0.5) },
        { name: "sts_latency_p99_ms", value: counters.percentile(0.99) },
        // Read by `keyhole audit`.
        { name: "disk_logs", value: disabled ? 0 : 1 },
      ],
    };
  };

  const identify = createIdentify(native, process.pid);
  const places = { environment: process.env, runDir: paths.runDir, uid: owner, platform: process.platform };
  const grants = await createGrants({
    store: openGrantStore(paths.grantDir),
    configs,
    source,
    clock: systemClock,
    random: Math.random,
    log: peerLog,
    record,
    confirmer: createConfirmer({ clock: systemClock, patience: CONFIRMATION }),
    askpassOf: (environment) => selectAskpass(environment, base),
    descriptors: room.grants - members,
    maxFlights: MAX_FLIGHTS,
    counters,
    environmentOf: (config) => sessions.environmentOf(config),
    regionOf: async (grant) => (await resolveTarget(configs.read(grant.config).config, grant.environment)).namedRegion,
    takeLock: () => {
      ensurePrivateDirectory(paths.grantDir);
      return takeLock(`${paths.grantDir}/.lock`, native);
    },
    socketPath: paths.socket,
    mounts: paths.grantMounts,
    leaseParentOf: (id) => leaseParentOf(id, { ...places, sharedMemory: "/dev/shm" }),
    executable: Bun.isStandaloneExecutable
      ? createPrivateCopy({ binDir: paths.binDir, build, source: process.execPath })
      : undefined,
    identify,
  });
  const ended = Promise.withResolvers<string>();
  const handlers = createHandlers({
    sessions,
    grants,
    socketPath: paths.socket,
    log: peerLog,
    audit,
    self,
    status,
    stop: () => ended.resolve("stop"),
  });
  const dispatch = createDispatch(rememberChanges(handlers, { changed: () => memory.changed() }), peerLog);
  const oneClient = settings.once ? serveOne(dispatch, () => ended.resolve("once")) : { dispatch, closed: undefined };
  const shared =
    sharedSocket &&
    (await serveShared({
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
    }));
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
      requests += 1;
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
    if (shared) shared.reload();
  });
  process.on("unhandledRejection", (reason) => {
    log("error", "unhandled rejection", { stack: reason instanceof Error ? reason.stack : String(reason) });
  });
  log("info", "daemon started", { version, pid: process.pid, socket: paths.socket, maxConnections });
  record({ kind: "daemon", transport: "daemon", outcome: "ok", note: "started" });
  console.log(formatReady(paths.socket));
  notices.ready(`serving at ${[paths.socket, ...(sharedSocket ? [sharedSocket] : [])].join(" and ")}`);
  // Behind the line, because whoever waits for it need not wait for this; no request is read before it is done.
  const memory = openMemory({
    path: memoryPath(paths),
    configDir: paths.configDir,
    sessions,
    clock: systemClock,
    log: peerLog,
  });

  log("info", "daemon ending", { reason: await ended.promise });
  notices.stopping();
  vigil.stop();
  await Promise.all([listener, grants, ...(shared ? [shared] : [])].map((each) => each.close(PATIENCE)));
  memory.close();
  sessions.stop();
  transport.close();
  log("info", "daemon ended");
  audit.flush();
  record({ kind: "daemon", transport: "daemon", outcome: "ok", note: "ended" });
  auditFile.close();
  logFile.close();
  vigil.lock.release();
  process.exit(0);
}

function pause(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, PAUSE));
}
