import { expect, test } from "bun:test";
import { baseOf, directoryOf, resolvePaths } from "../src/paths.ts";
import { thrownBy } from "./thrown.ts";

const cwd = () => "/here";
const SHARED =
  process.platform === "darwin" ? "/Users/Shared/keyhole/run/keyhole.sock" : "/var/run/keyhole/keyhole.sock";

test("everything is below the home of the user", () => {
  expect(resolvePaths({ HOME: "/home/a" }, {}, cwd)).toEqual({
    home: "/home/a/.keyhole",
    configDir: "/home/a/.keyhole/configs",
    defaultConfigDir: "/home/a/.keyhole/configs",
    socket: "/home/a/.keyhole/sock/daemon.sock",
    lock: "/home/a/.keyhole/sock/daemon.lock",
    log: "/home/a/.keyhole/logs/daemon.log",
    runDir: "/home/a/.keyhole/run",
    audit: "/home/a/.keyhole/logs/audit.jsonl",
    grantDir: "/home/a/.keyhole/grants",
    grantMounts: "/home/a/.keyhole/g",
    binDir: "/home/a/.keyhole/bin",
    runFile: "/home/a/.keyhole/run.yaml",
    sharedSocket: SHARED,
    sharedPolicy: "/home/a/.keyhole/shared.yaml",
  });
});

test("no variable of a login session moves the socket, so that every shell and cron job finds the same daemon", () => {
  const session = { HOME: "/home/a", TMPDIR: "/tmp/x", XDG_RUNTIME_DIR: "/run/user/1" };
  expect(resolvePaths(session, {}, cwd)).toEqual(resolvePaths({ HOME: "/home/a" }, {}, cwd));
});

test("KEYHOLE_HOME moves everything, and what is relative is taken from the working directory", () => {
  const paths = resolvePaths({ HOME: "/home/a", KEYHOLE_HOME: "k" }, { configDir: "c", socket: "s", log: "/l" }, cwd);
  expect(paths).toEqual({
    home: "/here/k",
    configDir: "/here/c",
    defaultConfigDir: "/here/k/configs",
    socket: "/here/s",
    lock: "/here/s.lock",
    log: "/l",
    runDir: "/here/k/run",
    audit: "/here/k/logs/audit.jsonl",
    grantDir: "/here/k/grants",
    grantMounts: "/here/k/g",
    binDir: "/here/k/bin",
    runFile: "/here/k/run.yaml",
    sharedSocket: SHARED,
    sharedPolicy: "/here/k/shared.yaml",
  });
});

test.each([
  ["/s/k.sock", "/s/k.sock"],
  ["k.sock", "/here/k.sock"],
  ["", SHARED],
])("KEYHOLE_SHARED_SOCKET=%s is the shared socket %s", (value, expected) => {
  expect(resolvePaths({ HOME: "/h", KEYHOLE_SHARED_SOCKET: value }, {}, cwd).sharedSocket).toBe(expected);
});

test.each([
  ["/a/daemon.sock", "/a/daemon.lock"],
  ["/a/daemon", "/a/daemon.lock"],
  ["/a/x.socket", "/a/x.socket.lock"],
])("the lock of %s stands beside it: %s", (socket, lock) => {
  expect(resolvePaths({ HOME: "/h" }, { socket }, cwd).lock).toBe(lock);
});

test.each([{}, { HOME: "" }, { HOME: "", KEYHOLE_HOME: "" }, { HOME: "." }, { HOME: "a/b" }])(
  "without a home there is an error: %j",
  (environment) => {
    expect(thrownBy(() => resolvePaths(environment, {}, cwd)).kind).toBe("usage");
  },
);

test.each([
  ["/a/b", "/a", "b"],
  ["/a", "/", "a"],
])("%s is below %s, and is called %s there", (path, directory, base) => {
  expect([directoryOf(path), baseOf(path)]).toEqual([directory, base]);
});
