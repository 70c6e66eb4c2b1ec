// What lies on the disk: on which file system, what a process that was killed had not finished, the memory of sessions, and
// whether what is handed out is written down.
import { isBelow, isInMemory, leaseAdvice, leaseParents } from "../../grants/leases.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import { fileSystemOf, freeBytes, lookAt, may, namesIn } from "./files.ts";
import { ok, problem, type Verdict, verdicts, warning } from "./finding.ts";
import type { HostMachine } from "./machines.ts";
import { KeyholeError } from "../../errors.ts";
import { readTrusted, ROTATE_AT } from "../../files/reading.ts";
import { isTemporary } from "../../files/writing.ts";
import { directoryOf } from "../../paths.ts";
import { formatSize } from "../answers.ts";

/** linux/magic.h, and for SMB2 fs/smb/client: file systems of other machines, and those that a program serves. */
const REMOTE: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x01021997, "9P"],
  [0x65735546, "FUSE"],
]);

export function checkFileSystem({ settings, platform }: HostMachine): readonly Verdict[] {
  const { home } = settings.paths;
  // REMOTE has Linux's numbers.
  if (platform !== "linux" || lookAt(home) === undefined) return [];
  return [judgeHome(home, fileSystemOf(home))];
}

/** @param type of statfs(2) */
export function judgeHome(home: string, type: number): Verdict {
  const name = REMOTE.get(type);
  if (name === undefined) return ok(`${home} is on this machine`);
  const message = `${home} is on ${name}, where locks and sockets may not work, and other machines see the configs`;
  return warning(message, "export KEYHOLE_HOME=/path/to/a/private/directory/on/this/machine");
}

/** Whether file delivery has a place, and whether the leases that there are lie in one. */
export function checkLeaseDirectory(machine: HostMachine): readonly Verdict[] {
  const { platform, daemon } = machine;
  if (platform !== "linux") return [];
  const grants = "status" in daemon ? (daemon.grants ?? []) : [];
  const wrong = grants
    .filter(({ deliver, directory }) => deliver === "file" && lookAt(directory) !== undefined)
    .flatMap((grant) => misplaced(grant, machine));
  return verdicts([...wrong, ...missingPlace(machine)], "leases are kept in memory");
}

function misplaced({ name, directory }: GrantInfo, { devices }: HostMachine): Verdict[] {
  const remove = `keyhole grant remove ${quotePosix(name)}`;
  if (!isInMemory(directory)) return [problem(`the lease of grant ${name} is on a disk, in ${directory}`, remove)];
  if (!isBelow(directory, devices)) return [];
  const message = `the lease of grant ${name} is below ${devices}, which sandboxes cover with their own: ${directory}`;
  return [warning(message, `${remove}, and add it again`)];
}

function missingPlace(machine: HostMachine): Verdict[] {
  if (leaseParents(machine).length > 0) return [];
  const { devices, run, uid } = machine;
  const message = `grants with --deliver file are refused: neither XDG_RUNTIME_DIR nor ${run}/user/${uid} is this user's own, in memory and outside of ${devices}`;
  return [warning(message, leaseAdvice(machine))];
}

/** Milliseconds: a process that still writes is done by then, also a copy of the executable to a slow disk. */
const AGE = 60_000;

export function checkLeftovers({ settings, now }: HostMachine): readonly Verdict[] {
  const { configDir, grantDir, runDir, binDir, log } = settings.paths;
  const wrong = [configDir, grantDir, runDir, binDir, directoryOf(log)].flatMap((directory) => {
    const left = namesIn(directory).filter((name) => {
      const stats = isTemporary(name) ? lookAt(`${directory}/${name}`) : undefined;
      return stats !== undefined && now - stats.mtimeMs > AGE;
    });
    if (left.length === 0) return [];
    const files = left.length === 1 ? "file was" : "files were";
    const paths = left.map((name) => quotePosix(`${directory}/${name}`));
    return [warning(`${left.length} ${files} left unfinished in ${directory}`, `rm -- ${paths.join(" ")}`)];
  });
  return verdicts(wrong, "nothing was left unfinished");
}

/** Bytes, as daemon/sessions/memory.ts has it. */
const MEMORY_LIMIT = 8 * 2 ** 20;

/** Without it a daemon that starts has no sessions, which costs nothing but a call to STS for each. */
export function checkMemory({ settings, uid }: HostMachine): readonly Verdict[] {
  const { runDir } = settings.paths;
  const paths = namesIn(runDir)
    .filter((name) => /^sessions(-[0-9a-z]+)?\.json$/.test(name))
    .map((name) => `${runDir}/${name}`);
  if (paths.length === 0) return [];
  const wrong = paths.flatMap((path) => {
    const reason = whyUnreadable(path, uid);
    const remedy = `rm ${quotePosix(path)}`;
    return reason === undefined ? [] : [warning(`a daemon that starts brings no session back: ${reason}`, remedy)];
  });
  return wrong.length > 0 ? wrong : [ok("a daemon that starts brings its sessions back")];
}

function whyUnreadable(path: string, uid: number): string | undefined {
  try {
    const file = readTrusted(path, uid, MEMORY_LIMIT);
    if (file === undefined) return undefined;
    const memory = JSON.parse(new TextDecoder().decode(file.bytes)) as { readonly sessions?: unknown } | null;
    return Array.isArray(memory?.sessions) ? undefined : `${path} is not a memory of sessions`;
  } catch (error) {
    return error instanceof KeyholeError ? error.message : `${path} is not a memory of sessions`;
  }
}

/** Bytes: so full a disk is about to refuse lines. */
const SCARCE = 2 ** 20;

export function checkAudit({ settings, uid }: HostMachine): readonly Verdict[] {
  const { audit } = settings.paths;
  const directory = directoryOf(audit);
  const show = `ls -l ${quotePosix(directory)}`;
  if (!settings.hasDiskLogs) return [warning("nothing is written down", "unset KEYHOLE_DISABLE_DISK_LOGS")];
  const stats = lookAt(audit);
  if (stats === undefined && lookAt(directory) === undefined) return [ok("nothing was handed out yet")];
  if (stats !== undefined && !stats.isFile()) return [problem(`${audit} is not a regular file`, show)];
  if (stats !== undefined && stats.uid !== uid) {
    return [problem(`${audit} belongs to another user (uid ${stats.uid})`, show)];
  }
  const written = stats === undefined ? directory : audit;
  if (!may(written, "write")) return [problem(`${written} cannot be written`, `chmod u+w ${quotePosix(written)}`)];
  const free = freeBytes(directory);
  if (free !== undefined && free < SCARCE) {
    return [problem(`the disk of ${directory} is full: lines are lost`, `df -h ${quotePosix(directory)}`)];
  }
  const size = stats?.size ?? 0;
  if (size > 2 * ROTATE_AT) {
    return [warning(`${audit} has ${formatSize(size)} and is not rotated`, "keyhole daemon restart")];
  }
  return [ok(`can be written (${formatSize(size)})`)];
}
