import { describe, expect, test } from "bun:test";
import { KeyholeError } from "../../../../src/errors.ts";
import type { Settings } from "../../../../src/settings.ts";
import { startFakeDaemon } from "../../fakes/daemon.ts";
import { keyhole } from "../../fakes/world.ts";

const stopped = { KEYHOLE_HOME: "/nowhere" };

describe("daemon start", () => {
  test("starts a daemon with the settings of this command line, and says where it is", async () => {
    const launched: Settings[] = [];
    const launch = (settings: Settings) => {
      launched.push(settings);
      return Promise.resolve({ pid: 42 });
    };
    const words = ["daemon", "start", "-mdcs", "7"];
    const result = await keyhole(words, { environment: stopped, host: { launch } });
    expect(launched).toHaveLength(1);
    expect(launched[0]).toMatchObject({ maxSessions: 7 });
    expect(result).toEqual({
      exit: 0,
      stdout: "",
      stderr: "daemon started (pid 42)\n  socket: /nowhere/sock/daemon.sock\n  log:    /nowhere/logs/daemon.log\n",
      questions: [],
    });
  });

  test("leaves a daemon that runs alone", async () => {
    await using daemon = startFakeDaemon({ Hello: () => ({ version: "1", pid: 7 }) });
    const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket };
    const result = await keyhole(["daemon", "start"], { environment });
    expect(result.exit).toBe(0);
    expect(result.stderr).toStartWith("daemon is already running (pid 7)\n");
    const json = await keyhole(["daemon", "start", "--json"], { environment });
    expect(json.stderr).toBe("");
    expect(JSON.parse(json.stdout)).toMatchObject({ started: false, pid: 7, socket: daemon.socket });
  });

  test("shows the daemon's own error", async () => {
    const error = new KeyholeError("unsafe-path", "the directory /x is bad", "chmod go-w /x");
    const host = { launch: () => Promise.reject(error) };
    const result = await keyhole(["daemon", "start"], { environment: stopped, host });
    expect(result).toMatchObject({
      exit: 1,
      stderr: "keyhole: error: the directory /x is bad\nkeyhole: hint: chmod go-w /x\n",
    });
  });
});
