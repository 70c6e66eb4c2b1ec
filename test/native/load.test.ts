import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadNative } from "../../src/native/load.ts";
import { identifyPeer, isOwnerOrRoot } from "../../src/native/native.ts";

const native = loadNative();
const onLinux = test.skipIf(process.platform !== "linux");

/** Runs `body` in a process of its own, because what it does cannot be undone. */
function runIsolated(body: string): { stdout: string; exitCode: number } {
  const source = `import { loadNative } from ${JSON.stringify(join(import.meta.dir, "../../src/native/load.ts"))};
    const native = loadNative(); ${body}`;
  const child = Bun.spawnSync([process.execPath, "-e", source], { stdin: "ignore", stderr: "inherit" });
  return { stdout: child.stdout.toString(), exitCode: child.exitCode };
}

test("a peer is identified by the kernel: this process, connected to itself", async () => {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-native-"));
  const seen = Promise.withResolvers<unknown>();
  const listener = Bun.listen({
    unix: join(directory, "s"),
    socket: {
      open: (socket) => seen.resolve(native.peerIdentity((socket as unknown as { fd: number }).fd)),
      data: () => {},
    },
  });
  const client = await Bun.connect({ unix: join(directory, "s"), socket: { data: () => {} } });
  expect(await seen.promise).toEqual({ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() });
  client.end();
  listener.stop(true);
  rmSync(directory, { recursive: true });
});

test("a descriptor that is not a socket is an error, not a peer", () => {
  const descriptor = openSync("/dev/null", "r");
  expect(() => native.peerIdentity(descriptor)).toThrow();
  closeSync(descriptor);
});

test("a lock is held by one open file at a time and freed by closing it", () => {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-native-"));
  const first = openSync(join(directory, "lock"), "w");
  const second = openSync(join(directory, "lock"), "w");
  expect(native.lockFile(first)).toBe(true);
  expect(native.lockFile(second)).toBe(false);
  closeSync(first);
  expect(native.lockFile(second)).toBe(true);
  closeSync(second);
  rmSync(directory, { recursive: true });
});

onLinux("forbidding core dumps sets both limits to zero", () => {
  const { stdout } = runIsolated(`native.forbidCoreDumps(); console.log(await Bun.file("/proc/self/limits").text());`);
  expect(stdout).toMatch(/Max core file size\s+0\s+0\s/);
});

onLinux("forbidding inspection closes the process's own environ, too", () => {
  const probe = `try { require("node:fs").readFileSync("/proc/self/environ"); console.log("read"); }
    catch (error) { console.log(error.code); }`;
  const asNobody = process.getuid!() === 0 ? "process.setgid(65534); process.setuid(65534);" : "";
  expect(runIsolated(probe).stdout.trim()).toBe("read");
  expect(runIsolated(`${asNobody} native.forbidInspection(); ${probe}`).stdout.trim()).toBe("EACCES");
});

test("an executed program replaces the process, with its arguments, environment and default signals", () => {
  const { stdout, exitCode } = runIsolated(
    `native.execute("/bin/sh", ["sh", "-c", 'echo "$0 $1 $WORD"; cat /proc/$$/status; exit 7', "zero one"].concat("two"),
      { WORD: "three", PATH: "/usr/bin:/bin" });`,
  );
  expect(stdout).toStartWith("zero one two three\n");
  if (process.platform === "linux") expect(stdout).toMatch(/SigIgn:\t0{16}\n/);
  expect(exitCode).toBe(7);
});

test.each([
  ["/nonexistent/program", "ENOENT"],
  ["/etc/passwd", "EACCES"],
  ["/etc/passwd/program", "ENOTDIR"],
])("executing %s returns %s", (path, errno) => {
  const { stdout } = runIsolated(`console.log(native.execute(${JSON.stringify(path)}, ["x"], {}));`);
  expect(stdout.trim()).toBe(errno);
});

test("why connecting fails is the errno's name, and nothing where somebody listens", () => {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-native-"));
  const path = join(directory, "s");
  expect(native.connectFailure(path)).toBe("ENOENT");
  expect(native.connectFailure(join(directory, "s", "s"))).toBe("ENOENT");
  const listener = Bun.listen({ unix: path, socket: { data: () => {} } });
  expect(native.connectFailure(path)).toBeUndefined();
  expect(native.connectFailure(join(path, "s"))).toBe("ENOTDIR");
  // ECONNREFUSED: nobody listens there, and nothing forbids to ask.
  if (process.platform === "linux") expect(native.connectFailure("\0keyhole")).toBe("errno 111");
  listener.stop(true);
  rmSync(directory, { recursive: true });
});

test("a socket is identified by its descriptor", () => {
  const fake = { peerIdentity: (descriptor: number) => ({ uid: descriptor, gid: 2, pid: 3 }) };
  expect(identifyPeer(fake, { fd: 7 })).toEqual({ uid: 7, gid: 2, pid: 3 });
});

test.each([
  [1000, 1000, true],
  [0, 1000, true],
  [1001, 1000, false],
  [1000, 0, false],
])("uid %d at a socket of uid %d is trusted: %p", (uid, owner, expected) => {
  expect(isOwnerOrRoot({ uid, gid: owner, pid: 1 }, owner)).toBe(expected);
});
