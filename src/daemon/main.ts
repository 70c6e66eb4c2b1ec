// The daemon: the only file that knows all of its parts. Hardens the process, takes the lock, listens, says that it is
// ready, and ends in order.
import { readFileSync } from "node:fs";
import { parseArguments } from "../arguments.ts";
import { createConfigReader } from "../config/store.ts";
import { selectBaseEnvironment, selectDaemonEnvironment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { ensurePrivateDirectory } from "../files/directories.ts";
import { loadNative } from "../native/load.ts";
import type { Native } from "../native/native.ts";
import { identifyPeer, isOwnerOrRoot } from "../native/peer.ts";
import { directoryOf } from "../paths.ts";
import { resolveSettings, type Settings, settingOptions } from "../settings.ts";
import { createRemoteTransport } from "../sources/remote.ts";
import { createStsSource } from "../sources/sts.ts";
import { build, version } from "../version.ts";
import { CONTROL_REQUEST_LIMIT } from "../wire/frame.ts";
import type { DaemonStatus } from "../wire/messages.ts";
import { formatFailure, formatReady } from "../wire/readiness.ts";
import { systemClock } from "./clock.ts";
import { createDispatch } from "./dispatcher.ts";
import { createHandlers } from "./handlers.ts";
import { listen } from "./listener.ts";
import { takeLock } from "./lock.ts";
import { openLogFile } from "./logfile.ts";
import { limitLog } from "./loglimit.ts";
import { Sessions } from "./sessions.ts";
import { userName } from "./user.ts";

/** How long answers under way may take when the daemon ends, in milliseconds (DESIGN.md, 9). */
const PATIENCE = 2000;
/** AssumeRole calls at once, so that a thousand renewals do not trip the account's rate limit (DESIGN.md, 6). */
const MAX_FLIGHTS = 8;
/** Descriptors kept for everything but connections: STS, children, files. */
const RESERVED_DESCRIPTORS = 48;

/** `keyhole --daemon OPTIONS`: in the foreground, until a signal or a Stop. */
export async function main(words: readonly string[]): Promise<void> {
  if (words.some((word) => word === "--help" || word === "-h")) {
    console.log("keyhole --daemon OPTIONS runs the daemon in the foreground; the options are those of: keyhole --help");
    return;
  }
  try {
    const values = parseArguments(words, settingOptions);
    const settings = resolveSettings(values, process.env, () => process.cwd());
    const native = loadNative();
    cleanEnvironment(native, words);
    const descriptors = descriptorLimit();
    harden(native);
    await serve(settings, native, descriptors);
  } catch (error) {
    const failure = error instanceof KeyholeError ? error : new KeyholeError("start-failed", String(error));
    process.stderr.write(formatFailure(failure));
    process.exit(failure.exitStatus);
  }
}

/**
 * A daemon that was started by hand or by a service manager gets the same environment as one that was launched. What
 * may be secret, or was obeyed by the runtime already, is gone only from a process that never had it: it starts again.
 */
function cleanEnvironment(native: Native, words: readonly string[]): void {
  const wanted = selectDaemonEnvironment(process.env);
  const unwanted = Object.keys(process.env).filter((name) => !(name in wanted));
  if (unwanted.some((name) => /^(AWS|BUN|NODE)_/.test(name))) {
    native.execute(process.execPath, [...ownCommand(), "--daemon", ...words], wanted);
  }
  for (const name of unwanted) delete process.env[name];
}

function harden(native: Native): void {
  native.forbidCoreDumps();
  native.forbidInspection();
  // Whatever is made without a mode of its own is the owner's alone.
  process.umask(0o077);
}

/** How many descriptors this process may open; read before `harden`, which closes /proc/self to us. */
function descriptorLimit(): number {
  try {
    const soft = /^Max open files +([0-9]+) /m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return Number(soft ?? Infinity);
  } catch {
    // No /proc: the default number of connections is below every limit that Bun raises to (BUN.md, 1).
    return Infinity;
  }
}

/** 0 where nothing says it: on a Linux without /proc Bun throws, and Status has to be answered there too. */
function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}

/** What runs this executable again; from source, with its script. */
function ownCommand(): string[] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main];
}

async function serve(settings: Settings, native: Native, descriptors: number): Promise<void> {
  const { paths } = settings;
  for (const file of [paths.socket, paths.log]) ensurePrivateDirectory(directoryOf(file));
  const lock = takeLock(paths.lock, native);
  const logFile = openLogFile(paths.log, systemClock);
  const { log } = logFile;
  const peerLog = limitLog(log, systemClock);

  const maxConnections = Math.max(1, Math.min(settings.maxConnections, descriptors - RESERVED_DESCRIPTORS));
  const owner = process.geteuid?.() ?? -1;
  const base = selectBaseEnvironment(process.env);
  const worker = [...ownCommand(), "--sts-worker", build];
  const transport = createRemoteTransport({ command: worker, environment: base, clock: systemClock });
  const sessions = new Sessions({
    source: createStsSource({
      user: userName(owner, process.env),
      transport,
      socketPath: paths.socket,
      command: [...ownCommand(), "--resolve-source", build],
      base,
      clock: systemClock,
    }),
    configs: createConfigReader(paths.configDir),
    clock: systemClock,
    random: Math.random,
    // A peer may add and remove sessions as often as it likes.
    log: peerLog,
    maxSessions: settings.maxSessions,
    maxFlights: MAX_FLIGHTS,
  });

  const self = { version, pid: process.pid };
  const startedAt = systemClock.wall();
  const status = (): Omit<DaemonStatus, "sessions"> => {
    const { counters, clockSkew } = sessions;
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
      counters: [
        { name: "vends", value: counters.vends },
        { name: "sts_calls", value: counters.assumes },
        { name: "sts_failures", value: counters.failures },
        { name: "evictions", value: counters.evictions },
        { name: "sts_latency_p50_ms", value: counters.percentile(0.5) },
        { name: "sts_latency_p99_ms", value: counters.percentile(0.99) },
      ],
    };
  };

  const ended = Promise.withResolvers<string>();
  const handlers = createHandlers({
    sessions,
    socketPath: paths.socket,
    log: peerLog,
    self,
    status,
    stop: () => ended.resolve("stop"),
  });
  const listener = await listen({
    path: paths.socket,
    mode: 0o600,
    maxConnections,
    requestLimit: CONTROL_REQUEST_LIMIT,
    identify: (socket) => identifyPeer(native, socket),
    isAllowed: (peer) => isOwnerOrRoot(peer, owner),
    dispatch: createDispatch(handlers, peerLog),
    clock: systemClock,
    log: peerLog,
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => ended.resolve(signal));
  process.on("SIGHUP", () => logFile.reopen());
  process.on("unhandledRejection", (reason) => {
    log("error", "unhandled rejection", { stack: reason instanceof Error ? reason.stack : String(reason) });
  });
  log("info", "daemon started", { version, pid: process.pid, socket: paths.socket, maxConnections });
  console.log(formatReady(paths.socket));

  log("info", "daemon ending", { reason: await ended.promise });
  await listener.close(PATIENCE);
  sessions.stop();
  transport.close();
  log("info", "daemon ended");
  logFile.close();
  lock.release();
  process.exit(0);
}
