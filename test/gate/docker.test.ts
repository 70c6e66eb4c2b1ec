// A real Docker engine, with its default seccomp profile, --network none and --read-only throughout.
import { beforeAll, describe, expect } from "bun:test";
import { copyFileSync, writeFileSync } from "node:fs";
import { startFakeGrant } from "../e2e/fakegrant.ts";
import { must, run, scratch } from "../interop/run.ts";
import { expectCredentials, EXPORT, runIn, testCell } from "./cell.ts";
import { useFixture } from "./fixture.ts";
import { docker } from "./rigs/docker.ts";
import { isReady, rigs, testWith } from "./rigs/rigs.ts";
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

describe("Docker: the command line of elhaz's users, with keyhole in the image (E-162)", () => {
  const IMAGE = "keyhole-gate/with-keyhole";
  const HOME_SOCKET = ".keyhole/sock/daemon.sock";
  const inImage = testWith([rigs.docker, rigs.debian]);
  const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

  /** `docker run` with these options, and `keyhole WORDS` inside. */
  const keyhole = (options: readonly string[], words: string) =>
    run(
      [...kind.client, "run", "--rm", "--network=none", ...options, IMAGE, "keyhole", ...words.split(" ")],
      environment,
    );

  const EXPORTS = ["export --format credential-process -n dev", "export -n dev -f json", "exec -n dev -- true"];

  beforeAll(async () => {
    if (!isReady(rigs.docker, rigs.debian)) return;
    const context = scratch("image");
    writeFileSync(`${context.path}/Dockerfile`, "FROM keyhole-gate/debian\nCOPY keyhole /usr/local/bin/keyhole\n");
    copyFileSync(hostOf(0).program, `${context.path}/keyhole`);
    const build = { ...environment, DOCKER_BUILDKIT: "0", HOME: context.path };
    await must([...kind.client, "build", "--quiet", "--tag", IMAGE, context.path], build);
    context.remove();
  }, 60_000);

  inImage("as root, with the daemon's socket where it is on the host, and where an option says", async () => {
    const socket = `${hostOf(0).directory}/daemon.sock`;
    for (const words of EXPORTS) {
      const home = await keyhole([`--volume=${socket}:/root/${HOME_SOCKET}`], words);
      expect([words, home.stderr, home.exitCode]).toEqual([words, "", 0]);
      const named = await keyhole([`--volume=${socket}:/run/x.sock`], `--socket-path /run/x.sock ${words}`);
      expect([words, named.stderr, named.exitCode]).toEqual([words, "", 0]);
    }
  });

  inImage("with --user 1000 through a grant's socket in either place", async () => {
    const socket = `${await hostOf(0).addGrant(`blog-${process.pid}`)}/sock`;
    const user = ["--user=1000", "--env=HOME=/home/agent"];
    for (const words of EXPORTS) {
      const home = await keyhole([...user, `--volume=${socket}:/home/agent/${HOME_SOCKET}`], words);
      expect([words, home.stderr, home.exitCode]).toEqual([words, "", 0]);
      const named = await keyhole([...user, `--volume=${socket}:/run/x.sock`], `--socket-path /run/x.sock ${words}`);
      expect([words, named.stderr, named.exitCode]).toEqual([words, "", 0]);
    }
    const other = await keyhole([...user, `--volume=${socket}:/home/agent/${HOME_SOCKET}`], "export -n other");
    expect([other.exitCode, other.stdout]).toEqual([9, ""]);
  });

  inImage("with --user 1000 and the daemon's own socket it is told of a grant, and nothing is started", async () => {
    const socket = `${hostOf(0).directory}/daemon.sock`;
    const options = ["--user=1000", "--env=HOME=/home/agent", `--volume=${socket}:/run/x.sock`];
    const { exitCode, stdout, stderr } = await keyhole(options, "--socket-path /run/x.sock export -n dev");
    expect([exitCode, stdout]).toEqual([8, ""]);
    expect(stderr).toEndWith("hint: on the host, as the user of the daemon: keyhole grant add NAME --config CONFIG\n");
  });

  inImage("with a mounted socket that is dead it starts none in its place, whatever configs there are", async () => {
    const dead = scratch("dead");
    const script = 'Bun.listen({ unix: process.argv[1], socket: { data() {} } }); console.log("ready")';
    const listener = Bun.spawn([process.execPath, "-e", script, `${dead.path}/s.sock`], { stdout: "pipe" });
    await listener.stdout.getReader().read();
    listener.kill("SIGKILL");
    await listener.exited;
    const options = [
      `--volume=${dead.path}/s.sock:/root/${HOME_SOCKET}`,
      `--volume=${hostOf(0).home}/.keyhole/configs:/root/.keyhole/configs`,
    ];
    const { exitCode, stdout, stderr } = await keyhole(options, "export -n dev");
    dead.remove();
    expect([exitCode, stdout]).toEqual([3, ""]);
    expect(stderr).toContain("and inside a container none is started");
  });

  inImage("without a socket it says that no daemon answers, and starts none", async () => {
    for (const words of ["export -n dev", "--socket-path /run/x.sock export -n dev", "daemon add -n dev"]) {
      const { exitCode, stdout, stderr } = await keyhole([], words);
      expect([words, exitCode, stdout]).toEqual([words, 3, ""]);
      expect(stderr).toContain("no daemon answers at ");
    }
  });
});

// The last one: it leaves the doors open.
test("Docker: where no file mode keeps uid 65534 out, root's daemon does", async () => {
  hostOf(0).openDoors();
  expect(await runIn(kind, stranger(), EXPORT)).toMatchObject({ exitCode: 9, stdout: "" });
});
