// The root file systems: nothing at all, the executable alone, a static busybox, a Debian.
import { chmodSync, copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { scratch } from "../../interop/run.ts";
import type { Rig } from "../../interop/rigs.ts";
import type { RootName } from "../sandbox.ts";
import { isReady, places, rigs } from "./rigs.ts";

/** What a root needs. */
export function rigsOf(root: RootName): readonly Rig[] {
  if (root === "busybox") return [rigs.busybox];
  return root === "debian" ? [rigs.debian] : [];
}

export interface Roots {
  /** A directory that must not be changed. */
  readonly pathOf: (root: RootName) => string;
  remove(): void;
}

export function makeRoots(executable: string): Roots {
  const directory = scratch("roots");
  chmodSync(directory.path, 0o755);
  const pathOf = (root: RootName) => (root === "debian" ? places.debian : `${directory.path}/${root}`);
  for (const root of ["empty", "copied", "busybox"] as const) mkdirSync(pathOf(root), { mode: 0o755 });
  copyFileSync(executable, `${pathOf("copied")}/keyhole`);
  chmodSync(`${pathOf("copied")}/keyhole`, 0o755);
  if (isReady(rigs.busybox)) {
    mkdirSync(`${pathOf("busybox")}/bin`);
    copyFileSync(places.busybox, `${pathOf("busybox")}/bin/busybox`);
    for (const name of ["sh", "sleep", "env"]) symlinkSync("busybox", `${pathOf("busybox")}/bin/${name}`);
  }
  return { pathOf, remove: () => directory.remove() };
}
