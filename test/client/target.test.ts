import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTarget, grantDirectoryOf } from "../../src/client/target.ts";
import { resolveSettings } from "../../src/settings.ts";

let directory: string;
const listeners: Bun.UnixSocketListener<undefined>[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-target-"));
});

afterEach(() => {
  for (const listener of listeners.splice(0)) listener.stop(true);
  rmSync(directory, { recursive: true });
});

function listen(name: string, mode: number): string {
  const path = join(directory, name);
  listeners.push(Bun.listen({ unix: path, socket: { data: () => {} } }));
  chmodSync(path, mode);
  return path;
}

const settings = (socket?: string) => resolveSettings({ "socket-path": socket }, { HOME: directory }, () => "/");
const executable = () => join(directory, "keyhole");

test("beside a socket it is a grant's, outside of any the user's own", () => {
  const own = { path: join(directory, ".keyhole", "sock", "daemon.sock"), kind: "own" } as const;
  expect(findTarget(settings(), undefined)).toEqual(own);
  expect(findTarget(settings(), executable())).toEqual(own);
  const path = listen("sock", 0o666);
  expect(findTarget(settings(), executable())).toEqual({ path, kind: "grant" });
});

test("in a grant's directory it stays the grant's while the socket is away", () => {
  writeFileSync(join(directory, "aws-config"), "[default]\n");
  expect(findTarget(settings(), executable())).toEqual({ path: join(directory, "sock"), kind: "grant" });
  expect(grantDirectoryOf(executable())).toBe(directory);
});

test("what else lies beside the executable makes no grant", () => {
  writeFileSync(join(directory, "sock"), "a file");
  writeFileSync(join(directory, "aws-config"), "");
  expect(grantDirectoryOf(executable())).toBeUndefined();
});

test.each([
  [0o600, "own"],
  [0o660, "own"],
  [0o666, "unknown"],
  [0o777, "unknown"],
  [0o644, "unknown"],
] as const)("a named socket of mode %o is %s", (mode, kind) => {
  const path = listen("named.sock", mode);
  expect(findTarget(settings(path), executable())).toEqual({ path, kind });
});

test("a named socket that is a link may be anyone's; one that is not there would be started", () => {
  const link = join(directory, "link.sock");
  symlinkSync(listen("named.sock", 0o600), link);
  expect(findTarget(settings(link), undefined).kind).toBe("unknown");
  expect(findTarget(settings(join(directory, "none.sock")), undefined).kind).toBe("own");
});

test("a named socket in a grant's directory is the grant's, also while it is away", () => {
  const grant = join(directory, "grant");
  mkdirSync(grant);
  writeFileSync(join(grant, "aws-config"), "[default]\n");
  expect(findTarget(settings(join(grant, "sock")), undefined).kind).toBe("grant");
});
