// A real Docker engine, with its default seccomp profile, --network none and --read-only throughout.
import { expect } from "bun:test";
import { startFakeGrant } from "../e2e/fakegrant.ts";
import { must, run } from "../interop/run.ts";
import { expectCredentials, EXPORT, runIn, testCell } from "./cell.ts";
import { useFixture } from "./fixture.ts";
import { docker } from "./rigs/docker.ts";
import { rigs, testWith } from "./rigs/rigs.ts";
import type { Inside, Options } from "./sandbox.ts";

const NOBODY = 65_534;
const { kinds, hostOf } = useFixture([0, NOBODY], (roots) => [docker(roots)]);
const [kind] = kinds;

const cells: readonly [title: string, options: Inside][] = [
  ["scratch, the file mounted", { root: "empty", uid: 0 }],
  ["scratch, the file mounted, no capability", { root: "empty", uid: 0, dropCapabilities: true }],
  ["scratch, the file mounted, uid 65534, no capability", { root: "empty", uid: NOBODY, dropCapabilities: true }],
  ["FROM scratch, the file copied, uid 65534, no capability", { root: "copied", uid: NOBODY, dropCapabilities: true }],
  ["busybox", { root: "busybox", uid: 0 }],
  ["busybox, uid 65534, no capability", { root: "busybox", uid: NOBODY, dropCapabilities: true }],
  ["Debian, uid 65534, no capability", { root: "debian", uid: NOBODY, dropCapabilities: true }],
];
for (const [title, options] of cells) testCell(`Docker, ${title}`, kind, options, () => hostOf(options.uid));

const test = testWith([rigs.docker, rigs.busybox]);
const stranger = (): Options => ({ host: hostOf(0), root: "empty", uid: NOBODY, dropCapabilities: true });

test("Docker: the profile is the default one, and in force", async () => {
  const information = [...kind.client, "info", "--format", "{{json .SecurityOptions}}"];
  expect(await must(information, { PATH: "/usr/bin:/bin" })).toContain('"name=seccomp,profile=default"');
  const seccomp = ["/bin/busybox", "grep", "^Seccomp:", "/proc/self/status"];
  const options: Options = { host: hostOf(0), root: "busybox", uid: 0 };
  expect(await runIn(kind, options, seccomp)).toMatchObject({ stdout: "Seccomp:\t2\n" });
});

test("Docker: uid 65534 does not get to root's control socket, and is told that it is blocked", async () => {
  expect(await runIn(kind, stranger(), EXPORT)).toMatchObject({ exitCode: 8, stdout: "" });
});

test("Docker: root inside gets credentials from another user's daemon", async () => {
  const options: Options = { host: hostOf(NOBODY), root: "empty", uid: 0 };
  expectCredentials(options, await runIn(kind, options, EXPORT));
});

test("Docker: a container without a mount gets a grant through docker exec -i", async () => {
  await using grant = startFakeGrant();
  const name = `keyhole-gate-bridge-${process.pid}`;
  const options: Options = { host: hostOf(0), root: "busybox", uid: NOBODY, dropCapabilities: true };
  const container = Bun.spawn(kind.command(["/bin/busybox", "sh", "-c", "echo; exec sleep 1000"], options, name), {
    env: grant.environment,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  await container.stdout.getReader().read();
  const far = [...kind.client, "exec", "-i", name, "/keyhole", "bridge", "--stdio", "--at", "/state/at"];
  const bridge = grant.spawn(["--socket-path", grant.socket, "bridge", "--", ...far]);
  const { value } = await bridge.stderr.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("the grant agent is at /state/at\n");
  const ask = () =>
    run([...kind.client, "exec", name, "/keyhole", "-sp", "/state/at/sock", ...EXPORT.slice(3, 6)], {}, 30);
  expect(await ask()).toMatchObject({ exitCode: 0, stderr: "", stdout: expect.stringContaining("ASIAFAKE2") });
  bridge.kill("SIGTERM");
  await bridge.exited;
  await must([...kind.client, "kill", name], grant.environment);
  await container.exited;
});

// The last one: it leaves the doors open.
test("Docker: where no file mode keeps uid 65534 out, root's daemon does", async () => {
  hostOf(0).openDoors();
  expect(await runIn(kind, stranger(), EXPORT)).toMatchObject({ exitCode: 9, stdout: "" });
});
