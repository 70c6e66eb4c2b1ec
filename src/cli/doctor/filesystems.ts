// On what the files lie: locks and sockets need a disk of this machine, leases one that forgets.
import { quotePosix } from "../../quoting.ts";
import { fileSystemOf, lookAt } from "./files.ts";
import { ok, problem, type Verdict, verdicts, warning } from "./finding.ts";
import type { HostMachine } from "./hostmachine.ts";

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

/** linux/magic.h: TMPFS_MAGIC and RAMFS_MAGIC. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

export function checkFileSystem({ settings, platform }: HostMachine): readonly Verdict[] {
  const { home } = settings.paths;
  // The numbers are Linux's.
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
  const onDisk = grants
    .filter(({ deliver, directory }) => deliver === "file" && lookAt(directory) !== undefined)
    .filter(({ directory }) => !isInMemory(directory))
    .map(({ name, directory }) =>
      problem(`the lease of grant ${name} is on a disk, in ${directory}`, `keyhole grant remove ${quotePosix(name)}`),
    );
  return verdicts([...onDisk, ...missingPlace(machine)], "leases are kept in memory");
}

function missingPlace({ environment, sharedMemory, uid }: HostMachine): Verdict[] {
  const runtime = environment["XDG_RUNTIME_DIR"] ?? "";
  const isGood = runtime.startsWith("/") && lookAt(runtime)?.uid === uid && isInMemory(runtime);
  if (isGood || isInMemory(sharedMemory)) return [];
  const message = `grants with --deliver file are refused: neither XDG_RUNTIME_DIR nor ${sharedMemory} is in memory`;
  return [warning(message, `sudo mount -t tmpfs tmpfs ${quotePosix(sharedMemory)}`)];
}

function isInMemory(path: string): boolean {
  return IN_MEMORY.has(fileSystemOf(path));
}
