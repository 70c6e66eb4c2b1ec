import { expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { fetchGrant, grantSocketOf } from "../../../src/cli/vending/grant.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { resolveSettings } from "../../../src/settings.ts";
import { rejectionOf, thrownBy } from "../../thrown.ts";
import { PROCESS_LINE, startFakeDaemon } from "../fakes/daemon.ts";

const line = new TextEncoder().encode(PROCESS_LINE);
const fetched = { grant: "agent", config: "dev", region: "eu-west-1", line };
/** Looks again at once. */
const patient = { wait: () => Promise.resolve() };
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

test("a grant is asked over a connection of its own each time", async () => {
  await using grant = startFakeDaemon({ Fetch: () => fetched });
  expect(await fetchGrant(grant.socket, { clientTimeout: 1000 }, patient)).toEqual(fetched);
  expect(await fetchGrant(grant.socket, { clientTimeout: 1000 }, patient)).toEqual(fetched);
  expect(grant.connections()).toBe(2);
});

test("a grant's refusal is told as it is", async () => {
  const refusal = new KeyholeError("revoked", "this grant was revoked");
  await using grant = startFakeDaemon({
    Fetch: () => {
      throw refusal;
    },
  });
  expect(await rejectionOf(fetchGrant(grant.socket, { clientTimeout: 1000 }, patient))).toMatchObject({
    kind: "revoked",
    message: "this grant was revoked",
  });
});

test("where nobody listens, the error names no place of this machine", async () => {
  const failure = await rejectionOf(fetchGrant("/nowhere/sock", { clientTimeout: 1000 }, patient));
  expect(failure.kind).toBe("unreachable");
  expect(`${failure.message} ${failure.hint}`).not.toContain("/nowhere");
});
