// Who asks, for the audit: the process that connected, and whether it still is that process. SO_PEERCRED is taken at
// connect() and a descriptor can be passed on, so a pid alone may be another program's by the time it is written down.
import { readFileSync, readlinkSync } from "node:fs";
import type { AuditPeer } from "../audit/event.ts";
import type { Native, PeerIdentity } from "../native/native.ts";
import { descriptorOf, identifyPeer } from "../native/peer.ts";

/** What was seen of the process that connected when its connection was accepted. Holds no descriptor. */
export interface Witness {
  /** As the host sees it; undefined where it could not be read of that very process: no /proc, another user's, ended. */
  readonly executable: string | undefined;
  /** Whether that process has ended. False where nothing can tell: the connection is closed, no /proc and an old kernel. */
  hasEnded(): boolean;
}

/** A peer, and the witness of it; without one nothing is said beside what SO_PEERCRED says. */
export interface WitnessedPeer extends PeerIdentity {
  readonly witness?: Witness | undefined;
}

/** Who asked, as an audit line has it. Costs three system calls, because it asks whether the process still lives. */
export function peerOf({ uid, gid, pid, witness }: WitnessedPeer): AuditPeer {
  return {
    uid,
    gid,
    // 0 is a process of a pid namespace that this one cannot see.
    ...(pid !== undefined && pid !== 0 && { pid }),
    ...(witness?.executable !== undefined && { executable: witness.executable }),
    ...(witness?.hasEnded() === true && { exited: true }),
  };
}

/**
 * Identifies whoever connected, for a listener to call at accept. Every descriptor it takes is closed again before it
 * returns, and nothing is held: the kernel keeps the identity for as long as the socket lives, so it is asked again each
 * time (SO_PEERPIDFD, Linux 6.5). On older kernels and in gVisor the start time of the pid takes its place; there, a pid
 * that went to another process between connect and accept would not be noticed.
 *
 * @param ownPid of this process; a /proc of another pid namespace is not believed
 */
export function createIdentify(
  native: Pick<Native, "peerIdentity" | "isPeerAlive">,
  ownPid: number,
): (socket: object) => WitnessedPeer {
  const hasProc = isProcOf(ownPid);

  function byDescriptor(socket: object, pid: number): Witness | undefined {
    const executable = hasProc ? executableOf(pid) : undefined;
    const isAlive = native.isPeerAlive(descriptorOf(socket));
    if (isAlive === undefined) return undefined;
    return {
      // Read before the question: alive after it, the process had its pid all the time.
      executable: isAlive ? executable : undefined,
      hasEnded: () => {
        const descriptor = descriptorOf(socket);
        return descriptor >= 0 && native.isPeerAlive(descriptor) === false;
      },
    };
  }

  return (socket) => {
    const peer = identifyPeer(native, socket);
    const pid = peer.pid ?? 0;
    const witness = byDescriptor(socket, pid) ?? (hasProc && pid !== 0 ? byStartTime(pid) : undefined);
    return { ...peer, witness };
  };
}

function byStartTime(pid: number): Witness | undefined {
  const started = startTimeOf(pid);
  if (started === undefined) return undefined;
  const executable = executableOf(pid);
  const isSame = () => startTimeOf(pid) === started;
  return { executable: isSame() ? executable : undefined, hasEnded: () => !isSame() };
}

function isProcOf(ownPid: number): boolean {
  try {
    return readlinkSync("/proc/self") === String(ownPid);
  } catch {
    return false;
  }
}

/** ` (deleted)` stands behind the path of one that was replaced. */
function executableOf(pid: number): string | undefined {
  try {
    return pid === 0 ? undefined : readlinkSync(`/proc/${pid}/exe`);
  } catch {
    // Ended, or another user's.
    return undefined;
  }
}

/** In clock ticks since boot, field 22 of proc_pid_stat(5); the name in parentheses before it may hold anything. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie keeps its pid, and has ended.
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
