// What machines do to a daemon: each gives a working daemon or one clear line, and heals when the cause is gone.
import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { asOrdinary, giveHomeToOrdinary, isRoot, publicExecutable, shell, startForeground } from "./daemons.ts";
import { createMachine, dynamicExecutable, isAlive, type Machine, type Result, until } from "./machine.ts";

const EXPORT = ["export", "-f", "credential-process", "-n", "dev"];

/** One line of what, one of what to do; nothing on stdout. */
function expectOneLine({ stdout, stderr, exitCode }: Result, what: string): void {
  expect(stderr).toMatch(/^keyhole: error: [^\n]+\n(keyhole: hint: [^\n]+\n)?$/);
  expect(stderr).toContain(what);
  expect([stdout, exitCode]).not.toEqual(["", 0]);
}

const expectCredentials = ({ stdout, stderr, exitCode }: Result): void => {
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(JSON.parse(stdout)).toHaveProperty("SessionToken");
};

/** A file system of its own below the machine's home, of so many KiB; undefined where none can be made here. */
function mountSmall(machine: Machine, kib: number) {
  const path = join(machine.home, "small");
  fs.mkdirSync(path, { mode: 0o700 });
  const mount = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${kib}k,mode=0700`, "tmpfs", path]);
  if (mount.exitCode !== 0) throw new Error("no tmpfs can be mounted here");
  const home = { KEYHOLE_HOME: join(path, "k"), KEYHOLE_CONFIG_DIR: machine.paths.configs };
  return {
    path,
    env: { ...home, KEYHOLE_AUTOSTART: "1" },
    [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", path]),
  };
}

/** Mounting is root's, and not every container lets it. */
const canMount = isRoot && Bun.spawnSync(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).exitCode === 0;

test.skipIf(!canMount)("a full disk costs log lines and memory, no credentials", async () => {
  await using machine = await createMachine();
  using small = mountSmall(machine, 256);
  const env = { KEYHOLE_HOME: join(small.path, "k") };
  const run = (words: readonly string[]) => machine.run(words, { env });
  await machine.keyhole(machine.adding("dev").join(" "), { env });
  await machine.keyhole("daemon start", { env });
  fill(small.path);
  expectCredentials(await run(EXPORT));
  await machine.keyhole("daemon add --force -n dev", { env });
  await machine.keyhole("daemon status", { env });
  // A restart on a full disk: what can be kept on it is small, and may be there already.
  expectCredentials(await restarted(run));
  fs.rmSync(join(small.path, "filler"));
  expectCredentials(await restarted(run));
  await machine.keyhole("daemon stop", { env });
});

test.skipIf(!canMount)(
  "a grant that is revoked on a full disk, or on one that is read-only, stays revoked",
  async () => {
    await using machine = await createMachine();
    using small = mountSmall(machine, 1024);
    const env = { KEYHOLE_HOME: join(small.path, "k"), KEYHOLE_DISABLE_DISK_LOGS: "1", KEYHOLE_AUTOSTART: "1" };
    const states = async () =>
      (JSON.parse(await machine.keyhole("grant list --json", { env })) as { state: string }[]).map(
        ({ state }) => state,
      );
    const kill = async () => {
      const pid = Number(fs.readFileSync(join(small.path, "k", "sock", "daemon.lock"), "utf8"));
      process.kill(pid, "SIGKILL");
      await until(() => !isAlive(pid));
    };
    const grants = join(small.path, "k", "grants");
    const onGrants = (...words: readonly string[]) => Bun.spawnSync([...words, grants]).exitCode;
    await machine.run(machine.adding("dev"), { env });
    for (const name of ["one", "two"]) await machine.keyhole(`grant add ${name} --config dev --no-executable`, { env });
    fill(small.path);
    await machine.keyhole("grant revoke one", { env });
    await kill();
    fs.rmSync(join(small.path, "filler"));
    await machine.keyhole("daemon start", { env });
    expect(await states()).toEqual(["revoked", "active"]);
    expect([onGrants("mount", "--bind", grants), onGrants("mount", "-o", "remount,bind,ro")]).toEqual([0, 0]);
    const { stderr, exitCode } = await machine.run(["grant", "revoke", "two"], { env });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("in force now, not yet kept")]);
    expect(await states()).toEqual(["revoked", "revoked"]);
    expect(onGrants("umount")).toBe(0);
    // The daemon writes it as soon as it can.
    await until(() => fs.readFileSync(join(grants, "two.yaml"), "utf8").includes("revoked:"));
    await kill();
    await machine.keyhole("daemon start", { env });
    expect(await states()).toEqual(["revoked", "revoked"]);
    await machine.keyhole("daemon stop", { env });
  },
);

test.skipIf(!canMount)("a disk that was full from the start is one clear line or a daemon, and heals", async () => {
  await using machine = await createMachine();
  using small = mountSmall(machine, 64);
  await machine.addConfig("dev");
  const { env } = small;
  fill(small.path);
  const first = await machine.run(EXPORT, { env });
  if (first.exitCode === 0) expectCredentials(first);
  else expectOneLine(first, "ENOSPC");
  fs.rmSync(join(small.path, "filler"));
  expectCredentials(await machine.run(EXPORT, { env }));
  await machine.keyhole("daemon stop", { env });
});

/** Takes every block of a file system. */
function fill(directory: string): void {
  for (let size = 4096; size >= 1; size = Math.floor(size / 4)) {
    for (;;) {
      try {
        fs.writeFileSync(join(directory, "filler"), Buffer.alloc(size), { flag: "a" });
      } catch {
        break;
      }
    }
  }
}

async function restarted(run: (words: readonly string[]) => Promise<Result>): Promise<Result> {
  expect(await run(["daemon", "restart"])).toMatchObject({ exitCode: 0 });
  return run(EXPORT);
}

test.skipIf(isRoot && asOrdinary.length === 0)(
  "a home that cannot be written to is one clear line, and heals",
  async () => {
    await using machine = await createMachine();
    giveHomeToOrdinary(machine);
    using program = publicExecutable();
    fs.chmodSync(machine.home, 0o755);
    const options = { under: asOrdinary, program: program.path };
    expect((await machine.run(machine.adding("dev"), options)).exitCode).toBe(0);
    fs.chmodSync(machine.paths.home, 0o500);
    expectOneLine(await machine.run(EXPORT, options), `cannot make the directory ${machine.paths.home}/sock (EACCES)`);
    fs.chmodSync(machine.paths.home, 0o700);
    expectCredentials(await machine.run(EXPORT, options));
    // A daemon that runs does not need it.
    fs.chmodSync(machine.paths.home, 0o500);
    expectCredentials(await machine.run(EXPORT, options));
    await machine.run(["daemon", "stop"], options);
    fs.chmodSync(machine.paths.home, 0o700);
  },
);

test.skipIf(!canMount)("a home on a file system that is mounted read-only is one clear line, and heals", async () => {
  await using machine = await createMachine();
  using small = mountSmall(machine, 1024);
  await machine.addConfig("dev");
  const { env } = small;
  const remount = (how: string) => Bun.spawnSync(["mount", "-o", `remount,${how}`, small.path]).exitCode;
  expect(remount("ro")).toBe(0);
  expectOneLine(await machine.run(EXPORT, { env }), "EROFS");
  expect(remount("rw")).toBe(0);
  expectCredentials(await machine.run(EXPORT, { env }));
  await machine.keyhole("daemon stop", { env });
});

test("a home on a path of 200 bytes starts its daemon, is asked and restarted", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const home = join(machine.home, "h".repeat(100), "h".repeat(100));
  const env = { KEYHOLE_HOME: home, KEYHOLE_CONFIG_DIR: machine.paths.configs };
  expect(home.length).toBeGreaterThan(200);
  expectCredentials(await machine.run(EXPORT, { env }));
  await machine.keyhole("daemon restart", { env });
  expectCredentials(await machine.run(EXPORT, { env }));
  await machine.keyhole("daemon stop", { env });
});

test.each<[what: string, remove: (machine: Machine) => void]>([
  ["socket", ({ paths }) => fs.unlinkSync(paths.socket)],
  ["socket and lock", ({ paths }) => [paths.socket, paths.lock].forEach((path) => fs.unlinkSync(path))],
  ["socket directory", ({ paths }) => fs.rmSync(join(paths.home, "sock"), { recursive: true })],
])("a deleted %s: whoever asks is answered, by one daemon", async (_, remove) => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon start");
  const first = machine.daemonPid()!;
  for (let round = 0; round < 2; round++) {
    remove(machine);
    expectCredentials(await machine.run(EXPORT));
  }
  // Either the first one has put back what was missing, or another has its place, and it has found that out.
  const current = machine.daemonPid()!;
  await until(() => current === first || !isAlive(first));
  const started = machine.log().filter(({ event }) => event === "daemon started");
  await until(() => started.map(({ pid }) => Number(pid)).filter(isAlive).length === 1);
  expectCredentials(await machine.run(EXPORT));
  expect(machine.daemonPid()).toBe(current);
});

test("a daemon whose whole home was deleted ends, and leaves nothing there", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("export -n dev");
  const pid = machine.daemonPid()!;
  fs.rmSync(machine.paths.home, { recursive: true });
  await until(() => !isAlive(pid));
  expect(fs.existsSync(machine.paths.home)).toBe(false);
});

test("a lock file with the pid of a process that has ended, or is somebody else's, is in nobody's way", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const ended = Bun.spawn(["true"]);
  await ended.exited;
  for (const pid of [ended.pid, process.pid, 1]) {
    fs.mkdirSync(join(machine.paths.home, "sock"), { recursive: true, mode: 0o700 });
    fs.writeFileSync(machine.paths.lock, `${pid}\n`, { mode: 0o600 });
    const began = performance.now();
    expectCredentials(await machine.run(EXPORT));
    expect(performance.now() - began).toBeLessThan(5000);
    await machine.keyhole("daemon stop");
  }
});

test("a stopped process that holds the lock and does not listen is named, with what ends it", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  await machine.keyhole("daemon start");
  const pid = machine.daemonPid()!;
  process.kill(pid, "SIGSTOP");
  fs.renameSync(machine.paths.socket, `${machine.paths.socket}.gone`);
  const result = await machine.run(EXPORT);
  expectOneLine(result, `a daemon (pid ${pid}) holds its lock and does not listen`);
  expect([result.exitCode, result.stderr]).toEqual([3, expect.stringContaining("hint: keyhole daemon kill")]);
  await machine.keyhole("daemon kill");
  expectCredentials(await machine.run(EXPORT));
}, 20_000);

test("in a working directory that was removed keyhole works, and refuses what it would need one for", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const words = ["export", "-n", "dev", "-f", "credential-process"];
  const under = ["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$@"'];
  expect(await machine.run(words, { under })).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await machine.run(words, { under, env: { KEYHOLE_HOME: "relative" } })).toEqual({
    exitCode: 2,
    stdout: "",
    stderr: "keyhole: error: the working directory is gone, and a relative path begins in it\nkeyhole: hint: cd\n",
  });
});

test("with ulimit -n 64 there is a working daemon", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  const daemon = await startForeground(machine, { under: shell("ulimit -n 64") });
  const results = await Promise.all(Array.from({ length: 20 }, () => machine.run(EXPORT)));
  for (const result of results) expectCredentials(result);
  await machine.keyhole("daemon restart", { under: shell("ulimit -n 64") });
  expectCredentials(await machine.run(EXPORT, { under: shell("ulimit -n 64") }));
  expect(await daemon.exited).toBe(0);
  expect(fs.readdirSync(join(machine.paths.home, "sock")).toSorted()).toEqual(["daemon.lock", "daemon.sock"]);
});

/** As in test/e2e: what the dynamic executable is preloaded with. */
const faketime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

test.skipIf(!fs.existsSync(faketime) || !fs.existsSync(dynamicExecutable))(
  "a clock that is set back by a day costs nobody a request",
  async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    const clock = join(machine.home, "clock");
    const set = (offset: string) => fs.writeFileSync(clock, `${offset}\n`);
    set("+0");
    const env = {
      LD_PRELOAD: faketime,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    const daemon = await startForeground(machine, { env, program: dynamicExecutable });
    expectCredentials(await machine.run(EXPORT));
    set("-1d");
    expectCredentials(await machine.run(EXPORT));
    expectCredentials(await machine.run(["export", "-f", "credential-process", "-n", "dev"]));
    set("+0");
    expectCredentials(await machine.run(EXPORT));
    daemon.kill("SIGTERM");
    expect(await daemon.exited).toBe(0);
    expect(machine.log().map(({ event }) => event)).not.toContain("handler failed");
    expect(fs.statSync(machine.paths.log).size).toBeGreaterThan(0);
  },
);
