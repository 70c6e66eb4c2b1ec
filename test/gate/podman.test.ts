// Podman as root and as a user, with runc, --network none and --read-only throughout.
import { expect } from "bun:test";
import { EXPORT, runIn, testCell } from "./cell.ts";
import { useFixture } from "./fixture.ts";
import { podman } from "./rigs/podman.ts";
import { rigs, testWith } from "./rigs/rigs.ts";
import type { Inside, Options } from "./sandbox.ts";

const NOBODY = 65_534;
/** Of no user of the machine. */
const USER = 60_123;
const { kinds, hostOf } = useFixture([0, NOBODY, USER], (roots) => [podman(roots, 0), podman(roots, USER)]);
const [rootful, rootless] = kinds;

const cells: readonly [title: string, options: Inside][] = [
  ["scratch, the file mounted", { root: "empty", uid: 0 }],
  ["scratch, the file copied, uid 65534, no capability", { root: "copied", uid: NOBODY, dropCapabilities: true }],
  ["busybox, uid 65534, no capability", { root: "busybox", uid: NOBODY, dropCapabilities: true }],
  ["Debian, uid 65534, no capability", { root: "debian", uid: NOBODY, dropCapabilities: true }],
];
for (const [title, options] of cells) testCell(`Podman, ${title}`, rootful, options, () => hostOf(options.uid));

// Root inside is the user outside.
for (const root of ["empty", "copied", "busybox"] as const)
  testCell(`rootless Podman, ${root}, no capability`, rootless, { root, uid: 0, dropCapabilities: true }, () =>
    hostOf(USER),
  );

const test = testWith([rigs.podman]);
const testRootless = testWith([rigs.podman, rigs.rootless]);

test("Podman: uid 65534 does not get to root's control socket, and is told that it is blocked", async () => {
  const options: Options = { host: hostOf(0), root: "empty", uid: NOBODY, dropCapabilities: true };
  expect(await runIn(rootful, options, EXPORT)).toMatchObject({ exitCode: 8, stdout: "" });
});

testRootless("rootless Podman: uid 65534 inside is another user outside, and blocked", async () => {
  const options: Options = { host: hostOf(USER), root: "empty", uid: NOBODY };
  expect(await runIn(rootless, options, EXPORT)).toMatchObject({ exitCode: 8, stdout: "" });
});

// The last one: it leaves the doors open.
testRootless("rootless Podman: where no file mode keeps that user out, the daemon does", async () => {
  hostOf(USER).openDoors();
  const options: Options = { host: hostOf(USER), root: "empty", uid: NOBODY };
  expect(await runIn(rootless, options, EXPORT)).toMatchObject({ exitCode: 9, stdout: "" });
});
