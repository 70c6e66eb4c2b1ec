// bubblewrap as root and as a user, with every namespace it can make: no network, a read-only root.
import { testCell } from "./cell.ts";
import { useFixture } from "./fixture.ts";
import { bubblewrap } from "./rigs/bubblewrap.ts";
import type { Inside } from "./sandbox.ts";

const NOBODY = 65_534;
const { kinds, hostOf } = useFixture([0, NOBODY], (roots) => [bubblewrap(roots, 0), bubblewrap(roots, NOBODY)]);
const [byRoot, byNobody] = kinds;

const cells: readonly [title: string, by: 0 | 65534, options: Inside][] = [
  ["nothing but the file, without /proc and /dev", 0, { root: "empty", uid: 0, noProc: true, noDevices: true }],
  ["nothing but the file, no capability", 0, { root: "copied", uid: 0, dropCapabilities: true }],
  ["busybox", 0, { root: "busybox", uid: 0 }],
  ["nothing but the file, by uid 65534", NOBODY, { root: "empty", uid: NOBODY, dropCapabilities: true }],
  ["busybox, by uid 65534", NOBODY, { root: "busybox", uid: NOBODY, dropCapabilities: true }],
  ["Debian", 0, { root: "debian", uid: 0 }],
];
for (const [title, by, options] of cells)
  testCell(`bubblewrap, ${title}`, by === 0 ? byRoot : byNobody, options, () => hostOf(by));
