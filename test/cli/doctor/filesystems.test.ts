import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmdirSync } from "node:fs";
import { checkFileSystem, checkLeaseDirectory, judgeHome } from "../../../src/cli/doctor/disk.ts";
import { grantInfo } from "../../grants/fakes/grants.ts";
import { daemonView, Home, hostMachine } from "../fakes/machines.ts";

test.each([
  [0x6969, "warning", "NFS"],
  [0xfe534d42, "warning", "SMB2"],
  [0x65735546, "warning", "FUSE"],
  [0xef53, "ok", "on this machine"],
  [0, "ok", "on this machine"],
])("a home on a file system of type %p is %s", (type, level, message) => {
  expect(judgeHome("/home/ada/.keyhole", type)).toMatchObject({ level, message: expect.stringContaining(message) });
});

test("nothing is said of a home that is not there yet, and of numbers of another platform", async () => {
  using home = new Home();
  expect(checkFileSystem(await hostMachine(home))).toEqual([]);
  home.make(".keyhole");
  expect(checkFileSystem(await hostMachine(home))).toHaveLength(1);
  expect(checkFileSystem(await hostMachine(home, { platform: "darwin" }))).toEqual([]);
});

describe.skipIf(process.platform !== "linux")("leases", () => {
  test("have a place in memory, or are said to have none", async () => {
    using home = new Home();
    // What is below /dev stands for every file system in memory, a directory of /proc for every other one.
    const runtime = mkdtempSync("/dev/shm/keyhole-doctor-");
    const variables = { XDG_RUNTIME_DIR: runtime };
    const elsewhere = await hostMachine(home, { devices: "/nowhere" }, variables);
    expect(checkLeaseDirectory(elsewhere)).toMatchObject([{ level: "ok" }]);
    for (const machine of [
      await hostMachine(home, { run: "/proc" }, { XDG_RUNTIME_DIR: "/proc/self" }),
      await hostMachine(home, { run: "/proc" }, variables),
    ])
      expect(checkLeaseDirectory(machine)).toMatchObject([
        {
          level: "warning",
          message: expect.stringContaining("--deliver file are refused"),
          fix: expect.stringContaining("mount -t tmpfs"),
        },
      ]);
    const grants = [grantInfo({ deliver: "file", directory: runtime })];
    const below = await hostMachine(home, { daemon: daemonView({}, grants) });
    expect(checkLeaseDirectory(below)).toContainEqual(
      expect.objectContaining({ level: "warning", message: expect.stringContaining("is below /dev") }),
    );
    rmdirSync(runtime);
  });

  test("that lie on a disk are a problem", async () => {
    using home = new Home();
    const grants = [grantInfo({ deliver: "file", directory: "/proc/self" }), grantInfo({ directory: "/proc/self" })];
    const machine = await hostMachine(home, { daemon: daemonView({}, grants) });
    expect(checkLeaseDirectory(machine)[0]).toMatchObject({
      level: "problem",
      message: "the lease of grant agent-a is on a disk, in /proc/self",
    });
  });
});
