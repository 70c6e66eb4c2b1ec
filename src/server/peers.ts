// The peer, for the audit: the process that connected, and whether it still is that process. SO_PEERCRED is taken at
// connect() and a descriptor can be passed on, so a pid alone may be another program's by the time it is written down.
import { readlinkSync } from "node:fs";
import type { AuditPeer } from "../audit/line.ts";
import { descriptorOf, type HeldPeer, identifyPeer, type Native, type PeerIdentity } from "../native/native.ts";
import { startTicksOf } from "./starts.ts";
import { baseOf } from "../paths.ts";
import { parentProgramOf, programOf } from "./peer-program.ts";

/** Processes of which a descriptor is held, for each that identifies. */
export const MOST_HELD = 16;

/** What is seen of the process that connected. */
export interface Witness {
  /** See programOf; undefined where it could not be read of that very process: no /proc, another user's, ended. */
  readonly executable: string | undefined;
  /** What started it, likewise; asked only when it is called. */
  parent(): string | undefined;
  /** Whether that process has ended. False where nothing can tell: the connection is closed, no /proc and an old kernel. */
  hasEnded(): boolean;
}

/** A peer, and the witness of it; without one nothing is said beside what SO_PEERCRED says. */
export interface WitnessedPeer extends PeerIdentity {
  readonly witness?: Witness | undefined;
}

/** Who asked, as an audit line has it. Asks the kernel whether the process still lives. */
export function peerOf({ uid, gid, pid, witness }: WitnessedPeer): AuditPeer {
  const executable = witness?.executable;
  // Whose hand keyhole is says more than its name.
  const parent = executable !== undefined && baseOf(executable) === "keyhole" ? witness?.parent() : undefined;
  return {
    uid,
    gid,
    // 0 is a process of a pid namespace that this one cannot see.
    ...(pid !== undefined && pid !== 0 && { pid }),
    ...(executable !== undefined && { executable }),
    ...(parent !== undefined && { parent }),
    ...(witness?.hasEnded() === true && { exited: true }),
  };
}

/**
 * Identifies the peer that connected, for a listener to call at accept. The kernel keeps the identity for as long as the socket
 * lives, so it is asked again each time (SO_PEERPIDFD, Linux 6.5), by a descriptor that is closed at once, for 6 µs; those
 * few who ask often are held. On older kernels and in gVisor the start time of the pid takes its place; there, a pid
 * that went to another process between connect and accept would not be noticed.
 *
 * @param ownPid of this process; a /proc of another pid namespace is not believed
 * @param when the executable is looked for. `accept` also knows that of a process that connects, passes the connection
 *   on and ends, and costs each connection 9 µs; `question` costs nothing until something is written down. Where only
 *   the start time tells processes apart it is always `accept`.
 */
export function createIdentify(
  native: Pick<Native, "peerIdentity" | "isPeerAlive" | "holdPeer">,
  ownPid: number,
  when: "accept" | "question" = "accept",
  mostHeld = MOST_HELD,
): (socket: object) => WitnessedPeer {
  const hasProc = isProcOf(ownPid);
  let canWait = false;
  /** Connections that have asked before, and the processes of those that asked again. */
  const known = new WeakSet<object>();
  const held = new Map<object, HeldPeer>();

  function hasEnded(socket: object): boolean {
    // Of a socket that is closed nothing is to be asked: its descriptor may be another's.
    if (!isOpen(socket)) return false;
    const handle = held.get(socket) ?? (known.has(socket) ? hold(socket) : undefined);
    known.add(socket);
    return (handle === undefined ? native.isPeerAlive(descriptorOf(socket)) : handle.isAlive()) === false;
  }

  function hold(socket: object): HeldPeer | undefined {
    const handle = mostHeld > 0 ? native.holdPeer(descriptorOf(socket)) : undefined;
    if (handle === undefined) return undefined;
    held.set(socket, handle);
    const [first] = held;
    if (held.size > mostHeld && first !== undefined) {
      held.delete(first[0]);
      first[1].close();
    }
    return handle;
  }

  function look(socket: object, pid: number): Witness | undefined {
    const executable = hasProc && pid !== 0 ? programOf(pid) : undefined;
    const isAlive = native.isPeerAlive(descriptorOf(socket));
    canWait = when === "question" && isAlive !== undefined;
    if (isAlive === undefined) return hasProc && pid !== 0 ? byStartTime(pid) : undefined;
    return {
      // Read before the question: alive after it, the process had its pid all the time.
      executable: isAlive ? executable : undefined,
      parent: () => {
        const parent = parentProgramOf(pid);
        return isOpen(socket) && native.isPeerAlive(descriptorOf(socket)) === true ? parent : undefined;
      },
      hasEnded: () => hasEnded(socket),
    };
  }

  function lookLater(socket: object, pid: number): Witness {
    let seen: Witness | undefined;
    const witness = () => (seen ??= isOpen(socket) ? look(socket, pid) : undefined);
    return {
      get executable() {
        return witness()?.executable;
      },
      parent: () => witness()?.parent(),
      hasEnded: () => witness()?.hasEnded() === true,
    };
  }

  return (socket) => {
    const peer = identifyPeer(native, socket);
    const witness = (canWait ? lookLater : look)(socket, peer.pid ?? 0);
    return { ...peer, witness };
  };
}

function isOpen(socket: object): boolean {
  return descriptorOf(socket) >= 0;
}

function byStartTime(pid: number): Witness | undefined {
  const started = startTimeOf(pid);
  if (started === undefined) return undefined;
  const executable = programOf(pid);
  const isSame = () => startTimeOf(pid) === started;
  const parent = () => {
    const found = parentProgramOf(pid);
    return isSame() ? found : undefined;
  };
  return { executable: isSame() ? executable : undefined, parent, hasEnded: () => !isSame() };
}

function isProcOf(ownPid: number): boolean {
  try {
    return readlinkSync("/proc/self") === String(ownPid);
  } catch {
    return false;
  }
}

/** Nothing is said of a process of which /proc says nothing. */
function startTimeOf(pid: number): string | undefined {
  try {
    return startTicksOf(pid);
  } catch {
    return undefined;
  }
}
