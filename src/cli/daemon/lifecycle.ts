// Ending a daemon: in order, or by force. Its pid comes from whoever answers on the socket or holds the lock, never
// from a file alone.
import { isErrorOf, KeyholeError } from "../../errors.ts";
import type { Settings } from "../../settings.ts";
import { version } from "../../version.ts";
import { withDaemonIfAny } from "./broker.ts";
import type { Host } from "../command.ts";

/** Milliseconds. A daemon finishes answers under way for 2 s (DESIGN.md, 9); the rest is for a machine that swaps. */
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

async function tellToStop(settings: Settings, host: Host): Promise<number | undefined> {
  try {
    return (await withDaemonIfAny(settings, (link) => link.request("Stop", {})))?.pid;
  } catch (error) {
    if (!isOfAnotherRelease(error)) throw error;
    const { lockHolder } = await import("./lock.ts");
    const pid = lockHolder(settings.paths.lock);
    if (pid === undefined || !host.signal(pid, "SIGTERM")) throw error;
    return pid;
  }
}

/** What a daemon says, or cannot be understood to say, whose protocol has moved on or is behind. */
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
  if (!host.signal(pid, "SIGKILL")) {
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
    // It accepts and says nothing, or closes at once: the lock knows who it is.
    if (!isErrorOf(error, "timeout", "unreachable")) throw error;
  }
  const { lockHolder } = await import("./lock.ts");
  return lockHolder(settings.paths.lock);
}

async function waitForEnd(pid: number, settings: Settings, host: Host): Promise<void> {
  const began = host.now();
  const { isLockFree } = await import("./lock.ts");
  while (await host.isRunning(pid)) {
    const waited = host.now() - began;
    // In a root without /proc an ended daemon that nobody waits for cannot be told from one that runs; its lock can.
    if (waited > DOUBTFUL && isLockFree(settings.paths.lock)) return;
    if (waited > PATIENCE) {
      throw new KeyholeError("timeout", `the daemon (pid ${pid}) is still running`, "keyhole daemon kill");
    }
    await host.wait(INTERVAL);
  }
}
