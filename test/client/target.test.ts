import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findSource, findTarget, grantDirectoryOf } from "../../src/client/target.ts";
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

/** With a shared socket of this test's own. */
const sourceOf = (environment: Record<string, string> = {}, configDir?: string, name?: string) => {
  const given = resolveSettings(
    { "config-dir": configDir },
    { HOME: join(directory, "home"), KEYHOLE_SHARED_SOCKET: join(directory, "run", "s.sock"), ...environment },
    () => "/",
  );
  return findSource(given, findTarget(given, executable()), name).kind;
};
const ownHome = () => join(directory, "home", ".keyhole");

describe("whoever wants credentials", () => {
  test("and has nothing of their own is served by the machine's shared daemon, running or not", () => {
    expect(sourceOf()).toBe("own");
    mkdirSync(join(directory, "run"));
    expect(sourceOf()).toBe("shared");
    mkdirSync(join(ownHome(), "configs"), { recursive: true });
    expect(sourceOf()).toBe("shared");
  });

  test("and has configs, or names them, is served by a daemon of their own, which may have to be started", () => {
    mkdirSync(join(directory, "run"));
    expect(sourceOf({}, "/elsewhere")).toBe("own");
    mkdirSync(join(ownHome(), "configs"), { recursive: true });
    writeFileSync(join(ownHome(), "configs", "dev.yaml"), "");
    expect(sourceOf()).toBe("own");
  });

  test("is served by a daemon of their own for the configs that are theirs, and for no other (A-012)", () => {
    mkdirSync(join(directory, "run"));
    mkdirSync(join(ownHome(), "sock"), { recursive: true });
    listen("home/.keyhole/sock/daemon.sock", 0o600);
    expect(sourceOf({}, undefined, "dev")).toBe("own");
    listen("run/s.sock", 0o660);
    expect(sourceOf({}, undefined, "dev")).toBe("shared");
    mkdirSync(join(ownHome(), "configs"));
    writeFileSync(join(ownHome(), "configs", "dev.yaml"), "");
    expect(sourceOf({}, undefined, "dev")).toBe("own");
    expect(sourceOf({}, undefined, "team")).toBe("shared");
    expect(sourceOf({}, "/elsewhere", "team")).toBe("own");
  });

  test("and has a grant mounted in that place is served by none that is shared", () => {
    mkdirSync(join(directory, "run"));
    writeFileSync(join(directory, "run", "aws-config"), "[default]\n");
    expect(sourceOf({}, undefined, "dev")).toBe("own");
  });

  test("and keeps the policy is the operator, who is served on the control socket", () => {
    mkdirSync(join(directory, "run"));
    mkdirSync(ownHome(), { recursive: true });
    writeFileSync(join(ownHome(), "shared.yaml"), "");
    expect(sourceOf({}, undefined, "dev")).toBe("own");
  });

  test.each<[environment: Record<string, string>, kind: string]>([
    [{ KEYHOLE_HOME: "/nowhere/k" }, "shared"],
    [{ KEYHOLE_DISABLE: "1" }, "own"],
    [{ KEYHOLE_SOCKET: "/nowhere/s" }, "own"],
  ])("with %j finds what is %s", (environment, kind) => {
    mkdirSync(join(directory, "run"));
    expect(sourceOf(environment)).toBe(kind as never);
  });

  test("with a home of its own finds no shared daemon that was not named (A-006)", () => {
    const lonely = resolveSettings({}, { KEYHOLE_HOME: directory }, () => "/");
    const shared = { ...lonely, paths: { ...lonely.paths, sharedSocket: join(directory, "s.sock") } };
    expect(findSource(shared, findTarget(shared, undefined), "dev").kind).toBe("own");
  });

  test("in a grant's directory asks the grant", () => {
    mkdirSync(join(directory, "run"));
    writeFileSync(join(directory, "aws-config"), "[default]\n");
    expect(sourceOf()).toBe("grant");
  });

  test("and names the shared socket is never taken for its owner", () => {
    const path = listen("shared.sock", 0o660);
    const named = resolveSettings({ "socket-path": path }, { HOME: directory, KEYHOLE_SHARED_SOCKET: path }, () => "/");
    expect(findTarget(named, undefined)).toEqual({ path, kind: "shared" });
  });
});
