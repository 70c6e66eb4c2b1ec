import { expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { checkSharedPolicy, checkSharedSocket } from "../../../src/cli/doctor/daemon.ts";
import { version } from "../../../src/version.ts";
import { startFakeDaemon } from "../fakes/daemon.ts";
import { Home, hostMachine } from "../fakes/machines.ts";

const check = async (home: Home, socket = join(home.path, "shared", "keyhole.sock")) =>
  checkSharedSocket(await hostMachine(home, {}, { KEYHOLE_SHARED_SOCKET: socket }));

test("nothing is said where there is no shared socket's directory; in one nobody answering is a problem", async () => {
  using home = new Home();
  expect(await check(home)).toEqual([]);
  home.make("shared", 0o750);
  expect(await check(home)).toMatchObject([
    { level: "problem", message: expect.stringContaining("no daemon answers") },
  ]);
  home.make("shared", 0o770);
  expect(await check(home)).toMatchObject([{ level: "problem", fix: expect.stringContaining("sudo chmod go-w") }]);
});

test("a shared daemon answers its members, and a socket for everybody is a problem", async () => {
  using home = new Home();
  await using daemon = startFakeDaemon({ Hello: () => ({ version, pid: 9 }) });
  expect(await check(home, daemon.socket)).toMatchObject([{ level: "ok", message: expect.stringContaining("pid 9") }]);
  chmodSync(daemon.socket, 0o666);
  expect(await check(home, daemon.socket)).toMatchObject([{ level: "ok" }]);
  chmodSync(daemon.home, 0o755);
  expect(await check(home, daemon.socket)).toMatchObject([
    { level: "problem", message: `every user of this machine can reach ${daemon.socket}` },
  ]);
});

test("a shared daemon of another version is named", async () => {
  using home = new Home();
  await using daemon = startFakeDaemon({ Hello: () => ({ version: "9.9.9", pid: 9 }) });
  expect(await check(home, daemon.socket)).toMatchObject([{ level: "warning" }]);
});

test("a policy is valid, or every problem of it is named", async () => {
  using home = new Home();
  expect(checkSharedPolicy(await hostMachine(home))).toEqual([]);
  const path = home.write(".keyhole/shared.yaml", "allow:\n  - { uid: 1001, configs: [dev] }\n");
  expect(checkSharedPolicy(await hostMachine(home))).toEqual([{ level: "ok", message: `${path} is valid` }]);
  home.write(".keyhole/shared.yaml", "allow:\n  - { configs: [dev] }\n");
  expect(checkSharedPolicy(await hostMachine(home))).toMatchObject([
    { level: "problem", message: expect.stringContaining(path), fix: `\${EDITOR:-vi} ${path}` },
  ]);
});
