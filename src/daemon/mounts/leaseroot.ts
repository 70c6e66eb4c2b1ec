// Which of the places for leases a grant's directory is in.
import { lstatSync } from "node:fs";
import { KeyholeError } from "../../errors.ts";
import { formerLeaseParents, leaseAdvice, leaseParents, type LeasePlaces } from "../../grants/leases.ts";

export interface LeaseRoot extends LeasePlaces {
  /** `<home>/run`: for macOS, which has no file system in memory. */
  readonly runDir: string;
  readonly platform: NodeJS.Platform;
}

/**
 * The parent of a grant's directory, for `openMount`, which makes and checks what is missing. One that is there already
 * wins: a daemon that was started by cron has no XDG_RUNTIME_DIR, and a sandbox holds on to the directory it was given.
 *
 * @throws KeyholeError `unsafe-path` where leases would be written to a disk.
 */
export function leaseParentOf(name: string, root: LeaseRoot): string {
  const parents = leaseParents(root);
  if (root.platform === "darwin") parents.push(`${root.runDir}/g`);
  const there = [...parents, ...formerLeaseParents(root)].find((parent) => isOwn(`${parent}/${name}`, root.uid));
  const parent = there ?? parents[0];
  if (parent !== undefined) return parent;
  throw new KeyholeError(
    "unsafe-path",
    `leases need a file system in memory outside of ${root.devices}: neither XDG_RUNTIME_DIR nor ${root.run}/user/${root.uid} is one of this user's own`,
    leaseAdvice(root),
  );
}

function isOwn(path: string, uid: number): boolean {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats !== undefined && stats.isDirectory() && stats.uid === uid;
  } catch {
    return false;
  }
}
