import { expect, test } from "bun:test";
import { askVersion, lookAtDaemon } from "../../../src/cli/doctor/machines.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { resolveSettings } from "../../../src/settings.ts";
import { startFakeDaemon } from "../fakes/daemon.ts";
import { grantInfo } from "../../grants/fakes/grants.ts";
import { daemonView, Home } from "../fakes/machines.ts";

const GrantsList = () => {
  throw new KeyholeError("unknown-message", "what is this");
};

const settingsOf = (home: string, socket?: string) =>
  resolveSettings({ "socket-path": socket, "client-timeout": "0.2" }, { HOME: home }, () => "/");

test("a daemon is asked how it is, whose it is, and for its grants", async () => {
  using home = new Home();
  const { status } = daemonView();
  await using daemon = startFakeDaemon({
    Status: () => status,
    GrantsList: () => ({ grants: [grantInfo()] }),
    Proxies: () => ({ proxies: [] }),
  });
  expect(await lookAtDaemon(settingsOf(home.path, daemon.socket))).toEqual({
    status,
    uid: process.getuid!(),
    grants: [grantInfo()],
    proxies: [],
  });
});

test("one that knows no grants is no reason to say nothing", async () => {
  using home = new Home();
  await using daemon = startFakeDaemon({ Status: () => daemonView().status, GrantsList });
  expect(await lookAtDaemon(settingsOf(home.path, daemon.socket))).toMatchObject({ grants: undefined });
});

test("one that is missing, or does not answer, is a failure that is not waited for", async () => {
  using home = new Home();
  expect(await lookAtDaemon(settingsOf(home.path))).toMatchObject({ failure: { kind: "unreachable" } });
  const socket = `${home.path}/mute`;
  const mute = Bun.listen({ unix: socket, socket: { data: () => {} } });
  expect(await lookAtDaemon(settingsOf(home.path, socket))).toMatchObject({ failure: { kind: "timeout" } });
  mute.stop(true);
});

test.each([
  ["echo keyhole 9.9.9", "9.9.9"],
  ["echo something else", undefined],
  ["exit 1", undefined],
  [`test -z "$CANARY" && echo keyhole 1.0.0`, "1.0.0"],
])("an executable that does %p has the version %p", async (script, version) => {
  using home = new Home();
  const path = home.write("keyhole", `#!/bin/sh\n${script}\n`, 0o755);
  expect(await askVersion(path)).toBe(version);
});
