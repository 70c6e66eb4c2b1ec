// gVisor on its ptrace platform, --network=none. Whoever asks inside, the daemon sees the uid of gVisor's gofer: root.
import { expect } from "bun:test";
import { EXPORT, runIn, testCell } from "./cell.ts";
import { useFixture } from "./fixture.ts";
import { gvisor } from "./rigs/gvisor.ts";
import { rigs, testWith } from "./rigs/rigs.ts";
import type { Inside, Options } from "./sandbox.ts";

const { kinds, hostOf } = useFixture([0], (roots) => [gvisor(roots, true), gvisor(roots, false)]);
const [open, closed] = kinds;

const cells: readonly [title: string, options: Inside][] = [
  ["the file alone", { root: "copied", uid: 0 }],
  ["busybox, no capability", { root: "busybox", uid: 0, dropCapabilities: true }],
];
for (const [title, options] of cells) testCell(`gVisor, ${title}`, open, options, () => hostOf(0));

testWith([rigs.gvisor])(
  "gVisor: without --host-uds=open it is told that it is blocked, and nothing is started",
  async () => {
    const options: Options = { host: hostOf(0), root: "copied", uid: 0 };
    expect(await runIn(closed, options, EXPORT)).toMatchObject({ exitCode: 8, stdout: "" });
  },
);
