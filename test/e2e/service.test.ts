// The daemon as a service of systemd's: what is installed is what a real manager runs.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, existsSync, lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../processes.ts";
import { startSts, type Sts } from "../sts/server.ts";
import { NOBODY } from "./daemons.ts";
import { credentialsFile } from "./keyfile.ts";
import { createMachine, roleArn } from "./machine.ts";
import { type Manager, noManager, startManager } from "./manager.ts";

if (noManager !== undefined) console.error(`NOT TESTED, service of systemd: ${noManager}`);

describe.skipIf(noManager !== undefined)(
  `systemd --user${noManager === undefined ? "" : ` (skipped: ${noManager})`}`,
  () => {
    let manager: Manager;
    let sts: Sts;
    let socket: string;

    const write = (path: string, text: string) => {
      const file = join(manager.home, path);
      for (const part of path
        .split("/")
        .slice(0, -1)
        .map((_, at, parts) => parts.slice(0, at + 1).join("/"))) {
        const made = join(manager.home, part);
        if (!existsSync(made)) mkdirSync(made, { mode: 0o700 });
        chownSync(made, NOBODY, NOBODY);
      }
      writeFileSync(file, text, { mode: 0o600 });
      chownSync(file, NOBODY, NOBODY);
    };
    const pidOf = async () => Number(await manager.property("keyhole.service", "MainPID"));
    const vend = () => manager.keyhole("export -n dev -f credential-process");

    beforeAll(async () => {
      sts = startSts();
      manager = await startManager();
      socket = join(manager.home, ".keyhole/sock/daemon.sock");
      write(".aws/credentials", credentialsFile(sts.root));
      write(
        ".keyhole/configs/dev.yaml",
        `AssumeRole:\n  RoleArn: ${roleArn("dev")}\nSTS:\n  endpoint_url: ${sts.url}\n  region_name: eu-west-1\n`,
      );
    }, 30_000);

    afterAll(async () => {
      await manager?.[Symbol.asyncDispose]();
      await sts?.stop();
    });

    test("before it is installed there is none", async () => {
      const { exitCode, stdout } = await manager.keyhole("service status --json");
      expect([exitCode, JSON.parse(stdout)]).toEqual([
        3,
        expect.objectContaining({ installed: false, running: false }),
      ]);
    });

    test("install stops the daemon that runs, and takes its place at its socket (A-023)", async () => {
      await manager.keyhole("daemon start");
      const { exitCode, stdout, stderr } = await manager.keyhole("service install");
      expect([exitCode, stdout, stderr]).toEqual([0, "", expect.stringContaining("the service takes its place")]);
      const status = JSON.parse((await manager.keyhole("service status --json")).stdout) as { pid: number };
      expect(status).toMatchObject({ installed: true, running: true, enabled: true, state: "active" });
      const daemon = JSON.parse((await manager.keyhole("daemon status --json")).stdout) as object;
      expect(daemon).toMatchObject({ pid: status.pid, managed: true, socket });
      expect(lstatSync(socket).mode & 0o777).toBe(0o600);
      expect(await manager.property("keyhole.service", "StatusText")).toBe(`serving at ${socket}`);
    });

    test("with the service stopped and its socket started, the first export starts it", async () => {
      await manager.systemctl("stop keyhole.socket keyhole.service");
      expect(existsSync(socket)).toBe(false);
      await manager.systemctl("start keyhole.socket");
      expect(await manager.property("keyhole.service", "ActiveState")).toBe("inactive");
      expect(await vend()).toMatchObject({ exitCode: 0, stderr: "", stdout: expect.stringContaining('"Version":1') });
      expect(await pidOf()).toBeGreaterThan(1);
    });

    test("the socket outlives the daemon: requests of that moment wait, and are answered", async () => {
      const { ino } = lstatSync(socket);
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        process.kill(await pidOf(), signal);
        expect(await vend()).toMatchObject({ exitCode: 0, stderr: "" });
      }
      expect(lstatSync(socket).ino).toBe(ino);
      expect(await manager.property("keyhole.service", "NRestarts")).toBe("1");
    });

    test("daemon stop ends it, daemon restart gives another one, and neither meets a taken socket", async () => {
      await manager.keyhole("daemon stop");
      await until(async () => (await manager.property("keyhole.service", "ActiveState")) === "inactive");
      expect((await vend()).exitCode).toBe(0);
      const pids = new Set([await pidOf()]);
      // More often than systemd lets a service start by default.
      for (let round = 0; round < 10; round++) {
        expect(await manager.keyhole("daemon restart")).toMatchObject({ exitCode: 0 });
        pids.add(await pidOf());
      }
      expect(pids.size).toBe(11);
      expect(await manager.property("keyhole.service", "ActiveState")).toBe("active");
    });

    test("a reload reaches the daemon, which stays", async () => {
      const pid = await pidOf();
      rmSync(join(manager.home, ".keyhole/logs/daemon.log"));
      expect(await manager.systemctl("reload keyhole.service")).toMatchObject({ exitCode: 0 });
      await until(() => existsSync(join(manager.home, ".keyhole/logs/daemon.log")));
      expect(await pidOf()).toBe(pid);
    });

    test("it says again and again that it is alive, also where it had to start over with a clean environment", async () => {
      write(
        ".config/systemd/user/keyhole.service.d/fast.conf",
        "[Service]\nWatchdogSec=200ms\nEnvironment=AWS_PROFILE=x\n",
      );
      await manager.systemctl("daemon-reload");
      await manager.systemctl("restart keyhole.service");
      const pid = await pidOf();
      const last = () => manager.property("keyhole.service", "WatchdogTimestampMonotonic");
      const first = await last();
      const seen = new Set([first]);
      await until(async () => seen.add(await last()).size > 4);
      expect(JSON.parse((await manager.keyhole("daemon status --json")).stdout)).toMatchObject({ pid, managed: true });
      expect(await pidOf()).toBe(pid);
    });

    test("nothing of the manager's is left to its children, and no core is dumped", async () => {
      write(
        ".keyhole/configs/tool.yaml",
        `AssumeRole:\n  RoleArn: ${roleArn("tool")}\nSTS:\n  endpoint_url: ${sts.url}\nSession:\n  profile_name: tool\n`,
      );
      const out = join(manager.home, "seen");
      const dump = `/bin/sh -c 'env > ${out}; ls -l /proc/self/fd >> ${out}; exit 1'`;
      write(".aws/config", `[profile tool]\ncredential_process = ${dump}\n`);
      expect((await manager.keyhole("export -n tool")).exitCode).not.toBe(0);
      const seen = await Bun.file(out).text();
      expect(seen).toContain("HOME=");
      expect(seen).not.toMatch(/LISTEN_|NOTIFY_SOCKET|WATCHDOG/);
      // Its standard streams are sockets of the daemon's own.
      expect(seen).not.toMatch(/ [3-9]\d* -> socket:/);
    });

    test("uninstall removes the service and its socket, and a daemon of before starts again by itself", async () => {
      expect((await manager.keyhole("service uninstall")).exitCode).toBe(0);
      expect(existsSync(socket)).toBe(false);
      expect((await manager.systemctl("status keyhole.service")).exitCode).toBe(4);
      expect((await manager.keyhole("service uninstall")).stderr).toBe("keyhole.service is not installed\n");
      expect((await vend()).exitCode).toBe(0);
      expect((await manager.keyhole("daemon stop")).exitCode).toBe(0);
    });
  },
);

test.skipIf(Bun.which("systemd-analyze") === null)("systemd finds nothing to say about the units", async () => {
  await using machine = await createMachine();
  const user = (process.getuid?.() === 0 ? ["daemon"] : []).map((name) => [
    "--shared",
    `--user=${name}`,
    `--group=${name}`,
  ]);
  for (const words of [[], ...user]) {
    const dry = await machine.run(["service", "install", "--dry-run", ...words]);
    expect(dry).toMatchObject({ exitCode: 0, stderr: "" });
    const directory = join(machine.home, words.length === 0 ? "user" : "system");
    mkdirSync(directory);
    const files = dry.stdout
      .split(/^# (?=\/)/m)
      .slice(1)
      .map((part) => {
        const [path = "", ...lines] = part.split("\n");
        const file = join(directory, path.slice(path.lastIndexOf("/") + 1));
        writeFileSync(file, lines.filter((line) => !line.startsWith("$ ")).join("\n"));
        return file;
      });
    expect(files).toHaveLength(2);
    const scope = words.length === 0 ? ["--user"] : [];
    const verify = Bun.spawnSync(["systemd-analyze", ...scope, "verify", ...files], {
      env: { XDG_RUNTIME_DIR: machine.home, PATH: "/usr/bin:/bin" },
    });
    expect([verify.exitCode, verify.stderr.toString()]).toEqual([0, ""]);
  }
});

test("where there is no systemd, one line says so, and nothing is written", async () => {
  await using machine = await createMachine();
  const { exitCode, stdout, stderr } = await machine.run(["service", "install"], { env: { PATH: "/nowhere" } });
  expect([exitCode, stdout, stderr]).toEqual([
    3,
    "",
    "keyhole: error: there is no systemd here\nkeyhole: hint: keyhole daemon start\n",
  ]);
  expect(existsSync(join(machine.home, ".config"))).toBe(false);
});
