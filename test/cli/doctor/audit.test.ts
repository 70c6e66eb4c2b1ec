import { expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkAudit } from "../../../src/cli/doctor/disk.ts";
import { asOrdinaryUser } from "../../users.ts";
import { Home, hostMachine } from "../fakes/machines.ts";

const check = async (home: Home, variables = {}) => checkAudit(await hostMachine(home, {}, variables));

test("an audit log that can be written is fine, and so is none yet", async () => {
  using home = new Home();
  expect(await check(home)).toMatchObject([{ level: "ok", message: "nothing was handed out yet" }]);
  home.write(".keyhole/logs/audit.jsonl", "{}\n");
  expect(await check(home)).toMatchObject([{ level: "ok", message: "can be written (0.0 MiB)" }]);
});

test("one that is switched off, is too large, or is no file is named", async () => {
  using home = new Home();
  expect(await check(home, { KEYHOLE_DISABLE_DISK_LOGS: "1" })).toMatchObject([
    { level: "warning", fix: "unset KEYHOLE_DISABLE_DISK_LOGS" },
  ]);
  const path = home.write(".keyhole/logs/audit.jsonl");
  truncateSync(path, 11_000_000);
  expect(await check(home)).toMatchObject([{ level: "warning", message: expect.stringContaining("is not rotated") }]);
  rmSync(path);
  symlinkSync("/dev/null", path);
  expect(await check(home)).toMatchObject([{ level: "problem", message: `${path} is not a regular file` }]);
  rmSync(path);
  mkdirSync(path);
  expect(await check(home)).toMatchObject([{ level: "problem" }]);
});

test("one of another user is a problem", async () => {
  using home = new Home();
  const path = home.write(".keyhole/logs/audit.jsonl");
  const machine = await hostMachine(home, { uid: 4711 });
  expect(checkAudit(machine)).toMatchObject([
    { level: "problem", message: expect.stringContaining(`${path} belongs to another user`) },
  ]);
});

test("one that may not be written is a problem", async () => {
  using home = new Home();
  const path = home.write(join(".keyhole", "logs", "audit.jsonl"), "", 0o400);
  const above = [dirname(path), dirname(dirname(path)), home.path];
  const uid = process.getuid?.() === 0 ? 65_534 : undefined;
  const machine = await hostMachine(home, uid === undefined ? {} : { uid });
  const found = await asOrdinaryUser([path, ...above], () => checkAudit(machine));
  expect(found).toMatchObject([{ level: "problem", fix: expect.stringContaining("chmod u+w") }]);
});
