// Namespaces and chroot by hand: roots without a loader, a library, /proc or /dev, each read-only.
import { testCell } from "./cell.ts";
import { useFixture } from "./fixture.ts";
import { chroot } from "./rigs/chroot.ts";
import type { Inside } from "./sandbox.ts";

const NOBODY = 65_534;
const { kinds, hostOf } = useFixture([0, NOBODY], (roots) => [chroot(roots)]);
const [kind] = kinds;

const cells: readonly [title: string, inside: Inside][] = [
  ["an empty root without /proc and /dev, the file copied", { root: "copied", uid: 0, noProc: true, noDevices: true }],
  [
    "an empty root without /proc and /dev, the file mounted, uid 65534",
    { root: "empty", uid: NOBODY, noProc: true, noDevices: true },
  ],
  ["an empty root with /proc, without /dev", { root: "copied", uid: 0, noDevices: true }],
  ["an empty root with /proc and /dev/null", { root: "copied", uid: 0 }],
  ["a busybox root", { root: "busybox", uid: 0 }],
  ["a busybox root, uid 65534", { root: "busybox", uid: NOBODY }],
  ["a Debian root", { root: "debian", uid: 0 }],
  ["a Debian root, uid 65534", { root: "debian", uid: NOBODY }],
];
for (const [title, inside] of cells) testCell(title, kind, inside, () => hostOf(inside.uid));
