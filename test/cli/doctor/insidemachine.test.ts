import { expect, test } from "bun:test";
import { join } from "node:path";
import { findGrantDirectory, relayOf } from "../../../src/cli/doctor/machines.ts";
import { resolveSettings } from "../../../src/settings.ts";
import { Home, mountGrant } from "../fakes/machines.ts";

const find = (home: Home, environment: Record<string, string>, executable = "/opt/keyhole") =>
  findGrantDirectory(
    resolveSettings({}, { HOME: home.path, ...environment }, () => "/"),
    environment,
    { command: [executable] },
    join(home.path, "usual"),
  );

test("a grant's directory is the named socket's, the executable's, or that of the AWS config", () => {
  using home = new Home();
  const grant = mountGrant(home);
  expect(find(home, {})).toBeUndefined();
  expect(find(home, { KEYHOLE_SOCKET: `${grant.path}/sock` })).toEqual(grant);
  expect(find(home, {}, `${grant.path}/keyhole`)).toEqual(grant);
  expect(find(home, { AWS_CONFIG_FILE: `${grant.path}/aws-config` })).toEqual(grant);
  expect(find(home, { AWS_CONFIG_FILE: join(home.path, "other") })).toBeUndefined();
});

test("so is the usual one, where nothing else says which", () => {
  using home = new Home();
  home.write("usual/aws-config", "[default]\ncredential_process = /run/keyhole/keyhole\n");
  const usual = { path: join(home.path, "usual"), process: ["/run/keyhole/keyhole"], deliver: "socket" } as const;
  expect(find(home, {})).toEqual(usual);
});

test("a grant whose AWS config runs cat is delivered by file", () => {
  using home = new Home();
  const grant = mountGrant(home, "file");
  expect(find(home, {}, `${grant.path}/keyhole`)).toEqual(grant);
});

test.each([
  ["http://127.0.0.1:4711/credentials", true],
  ["http://localhost:80/", true],
  ["http://[::1]:1/", true],
  ["http://169.254.170.2/v2", false],
  ["http://127.0.0.1.example.com/", false],
  ["https://127.0.0.1/", false],
  ["nonsense", false],
  ["", false],
])("%p leads to a relay: %p", (url, isRelay) => {
  expect(relayOf({ AWS_CONTAINER_CREDENTIALS_FULL_URI: url }) !== undefined).toBe(isRelay);
});
