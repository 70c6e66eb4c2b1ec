// Which program a process runs. /proc/PID/exe is a path of that process's own mount namespace, in which anything may stand
// at any path: it is proven by the file at that path here, by device and inode. Nothing here waits: a file system of the
// process's may hang, and so may one of ours at a path of its choosing.
import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";

/** Before the path of a program that is not the file at that path here. Paths begin with a slash. */
export const IN_SANDBOX = "in a sandbox: ";

/** asm-generic/fcntl.h: a descriptor of a file that is not opened. */
const O_PATH = 0o10000000;
/** Bytes of a file of /proc: of a list of mounts, which may have 100,000. */
const LIMIT = 256 * 1024;

/** File systems that answer from this machine. */
const LOCAL: ReadonlySet<string> = new Set(
  "bcachefs btrfs erofs exfat ext2 ext3 ext4 f2fs jfs overlay ramfs reiserfs squashfs tmpfs vfat xfs zfs".split(" "),
);

/** The mount namespace of this process, which it never leaves. */
let ownMounts: string | undefined;

/**
 * A path of this mount namespace, or one behind `IN_SANDBOX`; undefined for a process that has ended or is another user's.
 * ` (deleted)` stands behind the path of a file that was replaced.
 */
export function programOf(pid: number): string | undefined {
  try {
    const path = readlinkSync(`/proc/${pid}/exe`);
    ownMounts ??= readlinkSync("/proc/self/ns/mnt");
    const isHere = readlinkSync(`/proc/${pid}/ns/mnt`) === ownMounts;
    return isHere || isFileHere(path, pid) ? path : `${IN_SANDBOX}${path}`;
  } catch {
    return undefined;
  }
}

/** What started a process, where that still runs; to be asked while the process lives. */
export function parentProgramOf(pid: number): string | undefined {
  const parent = parentOf(pid);
  const program = parent === undefined ? undefined : programOf(parent);
  // Where it has ended meanwhile, its pid may be another's, and the process has another parent.
  return parentOf(pid) === parent ? program : undefined;
}

/** Field 4 of proc_pid_stat(5); the name in parentheses before it may hold anything. */
function parentOf(pid: number): number | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  const parent = Number(stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  return parent > 0 ? parent : undefined;
}

/** 127.0.0.1 and 0.0.0.0 as /proc/net/tcp has them, and both in IPv6. */
const LOOPBACK = /^(?:0100007F|0{8}|0{32}|0{16}FFFF00000100007F):/;

/** The process that listens at a port of 127.0.0.1; undefined where it is another user's, or outside of this sandbox. */
export function listenerAt(port: number): number | undefined {
  const lines = ["tcp", "tcp6"].flatMap((table) => (readProc(`/proc/net/${table}`) ?? "").split("\n"));
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = lines.flatMap((line) => {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    return state === "0A" && local.endsWith(end) && LOOPBACK.test(local) ? [`socket:[${inode}]`] : [];
  });
  if (inodes.length === 0) return undefined;
  const pids = namesIn("/proc").filter((name) => /^\d+$/.test(name));
  const holds = (pid: string) =>
    namesIn(`/proc/${pid}/fd`).some((each) => inodes.includes(linkAt(`/proc/${pid}/fd/${each}`)));
  const pid = pids.find(holds);
  return pid === undefined ? undefined : Number(pid);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** Whether the file at a path is here what it is to that process. */
function isFileHere(path: string, pid: number): boolean {
  const theirs = identityOf(`/proc/${pid}/exe`, O_PATH, mountsOf(pid));
  if (theirs === undefined) return false;
  const mounts = mountsOf("self");
  const above = mounts.filter(({ point }) => point === "/" || `${path}/`.startsWith(`${point}/`));
  if (above.length === 0 || !above.every(({ type }) => LOCAL.has(type))) return false;
  try {
    return !leadsThroughLink(path) && identityOf(path, O_PATH | constants.O_NOFOLLOW, mounts) === theirs;
  } catch {
    // There is none here.
    return false;
  }
}

/** A link may lead where something hangs, and the kernel has followed all of those of the process's. */
function leadsThroughLink(path: string): boolean {
  for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1))
    if (lstatSync(path.slice(0, end)).isSymbolicLink()) return true;
  return false;
}

interface Mounted {
  readonly id: string;
  readonly device: string;
  readonly point: string;
  readonly type: string;
}

/** proc_pid_mountinfo(5); empty where it cannot be read whole. */
function mountsOf(pid: number | "self"): Mounted[] {
  return (readProc(`/proc/${pid}/mountinfo`) ?? "").split("\n").flatMap((line) => {
    const [id, , device, , point] = line.split(" ");
    const type = / - (\S+)/.exec(line)?.[1];
    if (id === undefined || device === undefined || point === undefined || type === undefined) return [];
    const unescaped = point.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    return [{ id, device, point: unescaped, type }];
  });
}

/** Device and inode as the kernel has them in memory, which asks no file system; undefined before Linux 5.14. */
function identityOf(path: string, flags: number, mounts: readonly Mounted[]): string | undefined {
  const descriptor = openSync(path, flags);
  try {
    const info = readProc(`/proc/self/fdinfo/${descriptor}`) ?? "";
    const mount = /^mnt_id:\s*(\d+)$/m.exec(info)?.[1];
    const inode = /^ino:\s*(\d+)$/m.exec(info)?.[1];
    const device = mounts.find(({ id }) => id === mount)?.device;
    return inode === undefined || device === undefined ? undefined : `${device} ${inode}`;
  } finally {
    closeSync(descriptor);
  }
}

/** What is read first; whatever is longer moves on. */
const first = Buffer.alloc(4096);

/** Undefined where there is none, and for what is longer than `LIMIT`: a part of a list says nothing. */
function readProc(path: string): string | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "r");
    // Most are far below it, and one is read for each vend.
    let buffer = first;
    for (let length = 0; ;) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (count === 0) return buffer.toString("utf8", 0, length);
      length += count;
      if (length === LIMIT) return undefined;
      if (length === buffer.length) buffer = Buffer.concat([buffer], Math.min(length * 4, LIMIT));
    }
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
