// On what the files lie: locks and sockets need a disk of this machine, leases one that forgets.
import { isBelow, isInMemory, leaseAdvice, leaseParents } from "../../grants/leases.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { GrantInfo } from "../../wire/messages.ts";
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
