// Ending a daemon: in order, or by force. Its pid comes from the daemon that answers on the socket or holds the lock, never
// from a file alone.
import { isErrorOf, KeyholeError } from "../../errors.ts";
import { directoryOf } from "../../paths.ts";
import type { Settings } from "../../settings.ts";
import { version } from "../../version.ts";
import { withDaemonIfAny } from "./broker.ts";
import type { Host } from "../command.ts";

/** Milliseconds. A daemon finishes answers under way for 2 s; the rest is for a machine that swaps. */
const PATIENCE = 10_000;
/** Milliseconds after which the lock is asked as well. */
const DOUBTFUL = 250;
/** Milliseconds between two looks; ending takes about 5. */
const INTERVAL = 5;
/** Milliseconds that a daemon may take to say its pid before it counts as hanging; it answers from memory. */
const HANGING = 2000;

/**
 * Resolves to the pid of the daemon that has ended, undefined if none ran. One of a release that understands nothing of
 * this is told by a signal.
 *
 * @throws KeyholeError `timeout`
 */
export async function stopDaemon(settings: Settings, host: Host): Promise<number | undefined> {
  const pid = await tellToStop(settings, host);
  if (pid !== undefined) await waitForEnd(pid, settings, host);
  return pid;
}

/** Undefined where none runs. */
export async function tellToStop(settings: Settings, host: Host): Promise<number | undefined> {
  try {
    return (await withDaemonIfAny(settings, (link) => link.request("Stop", {})))?.pid;
  } catch (error) {
    if (!isOfAnotherRelease(error)) throw error;
    const pid = await findHolder(settings);
    if (pid === undefined || !(await signalDaemon(pid, "SIGTERM", settings, host))) throw error;
    return pid;
  }
}

/** Whether an error is one of a daemon with a newer or an older protocol. */
export function isOfAnotherRelease(error: unknown): boolean {
  return isErrorOf(error, "unsupported-version", "unknown-message");
}

/**
 * As `stopDaemon`, for a daemon that does not obey or answer: SIGKILL. Its credentials are lost and assumed again; the
 * next daemon removes its socket.
 */
export async function killDaemon(settings: Settings, host: Host): Promise<number | undefined> {
  const pid = await findDaemon(settings);
  if (pid === undefined) return undefined;
  if (!(await signalDaemon(pid, "SIGKILL", settings, host))) {
    throw new KeyholeError("forbidden", `the daemon (pid ${pid}) cannot be killed by this user`, `ps -fp ${pid}`);
  }
  await waitForEnd(pid, settings, host);
  return pid;
}

async function findDaemon(settings: Settings): Promise<number | undefined> {
  const patient = { ...settings, clientTimeout: Math.min(settings.clientTimeout, HANGING) };
  try {
    const hello = await withDaemonIfAny(patient, (link) => link.request("Hello", { version }), { isPatient: false });
    if (hello !== undefined) return hello.pid;
  } catch (error) {
    // It accepts and says nothing, closes at once, or says what is not understood: the lock knows its pid.
    if (isOfAnotherRelease(error)) {
      const pid = await findHolder(settings);
      if (pid !== undefined) return pid;
    }
    if (!isErrorOf(error, "timeout", "unreachable")) throw error;
  }
  return findHolder(settings);
}

async function findHolder({ paths }: Settings): Promise<number | undefined> {
  const { lockHolder } = await import("./lock-holder.ts");
  return lockHolder(paths.lock);
}

/**
 * False where the process is gone or another user's.
 *
 * @throws KeyholeError `forbidden` where the pid is no proof: in another user's directory, lock and answer say whatever
 *   that user likes, and root would end any process of the machine by it.
 */
async function signalDaemon(
  pid: number,
  signal: "SIGTERM" | "SIGKILL",
  { paths: { socket } }: Settings,
  host: Host,
): Promise<boolean> {
  const { ownerOf } = await import("./lock-holder.ts");
  const owner = ownerOf(directoryOf(socket));
  if (owner !== host.userId()) {
    const hint = owner === undefined ? undefined : `sudo -H -u '#${owner}' keyhole daemon kill`;
    throw new KeyholeError("forbidden", `the daemon at ${socket} is another user's: its pid cannot be trusted`, hint);
  }
  // To kill(2), 0 and -1 are groups of processes; 1 cannot be killed from within its own pid namespace.
  if (pid <= 1) throw new KeyholeError("forbidden", `the daemon says that it is process ${pid}, which is not killed`);
  return host.signal(pid, signal);
}

/** @throws KeyholeError `timeout` */
export async function waitForEnd(pid: number, settings: Settings, host: Host): Promise<void> {
  const began = host.now();
  const { isLockFree } = await import("./lock-holder.ts");
  while (await host.isRunning(pid)) {
    const waited = host.now() - began;
    // In a root without /proc an ended daemon whose parent does not wait for it cannot be told from one that runs; its lock can.
    if (waited > DOUBTFUL && isLockFree(settings.paths.lock)) return;
    if (waited > PATIENCE) {
      throw new KeyholeError("timeout", `the daemon (pid ${pid}) is still running`, "keyhole daemon kill");
    }
    await host.wait(INTERVAL);
  }
}
