import { expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { grantSocketOf } from "../../../src/cli/vending/target.ts";
import { resolveSettings } from "../../../src/settings.ts";
import { thrownBy } from "../../thrown.ts";
import { startFakeDaemon } from "../fakes/daemon.ts";

const settingsOf = (values: Parameters<typeof resolveSettings>[0], home = "/home") =>
  resolveSettings(values, { KEYHOLE_HOME: home }, () => "/");

test("a socket that is named is the one", () => {
  const settings = settingsOf({ "socket-path": "/run/keyhole/sock" });
  expect(grantSocketOf(settings, { command: ["/opt/keyhole"] }, "")).toBe("/run/keyhole/sock");
});

test("without a name the one beside the executable is it", async () => {
  await using grant = startFakeDaemon({});
  const beside = `${grant.home}/sock`;
  symlinkSync(grant.socket, beside);
  expect(grantSocketOf(settingsOf({}), { command: [`${grant.home}/keyhole`] }, "")).toBe(beside);
});

test.each([
  ["beside the executable there is none", ["/opt/keyhole"]],
  ["keyhole runs from source", ["/opt/bun", "/opt/src/main.ts"]],
])("where %s, nobody is asked", (_, command) => {
  const failure = thrownBy(() => grantSocketOf(settingsOf({}), { command }, "type this"));
  expect(failure).toMatchObject({ kind: "not-a-grant", hint: "type this" });
});
