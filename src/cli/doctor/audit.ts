// Whether what is handed out is written down.
import { ROTATE_AT } from "../../files/reading.ts";
import { directoryOf } from "../../paths.ts";
import { quotePosix } from "../../text/quoting.ts";
import { formatSize } from "../columns.ts";
import { freeBytes, lookAt, may } from "./files.ts";
import { ok, problem, type Verdict, warning } from "./finding.ts";
import type { HostMachine } from "./hostmachine.ts";

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
