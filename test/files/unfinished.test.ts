import { afterAll, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { editingPrefix, isTemporary, sweep, temporaryName } from "../../src/files/writing.ts";

const root = fs.mkdtempSync(`${tmpdir()}/keyhole-unfinished-`);
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

let directory = "";
beforeEach(() => {
  directory = fs.mkdtempSync(`${root}/d-`);
});

/** The pid of a process that has ended. */
const GONE = Bun.spawnSync(["true"]).pid;
const UUID = crypto.randomUUID();

const put = (...names: readonly string[]) => names.map((name) => fs.writeFileSync(`${directory}/${name}`, ""));
const own = (path: string) => ({ directory: path, isOurs: undefined });
const left = () => fs.readdirSync(directory).toSorted();

test("a name of an unfinished file is told from every other", () => {
  expect(temporaryName("lease.json")).not.toBe(temporaryName("lease.json"));
  expect([temporaryName("lease.json"), temporaryName("keyhole"), `.a.${UUID}`].map(isTemporary)).not.toContain(false);
  const others = ["sock", "lease.json", ".hidden", "..", crypto.randomUUID(), `a.${crypto.randomUUID()}`];
  expect(others.map(isTemporary)).toEqual(others.map(() => false));
});

test("what a process left that is gone is removed, and that of a version that wrote no pid", () => {
  put(`.a.yaml.${GONE}.${UUID}`, `.a.yaml.${UUID}`, temporaryName("own"));
  fs.mkdirSync(`${directory}/edit-${GONE}-abcdef`);
  fs.writeFileSync(`${directory}/edit-${GONE}-abcdef/dev.yaml`, "");
  fs.symlinkSync("/etc/passwd", `${directory}/.link.${GONE}.${UUID}`);
  expect(sweep([directory, directory, `${directory}/missing`].map(own))).toBe(5);
  expect(left()).toEqual([]);
  expect(fs.existsSync("/etc/passwd")).toBe(true);
});

test("what a process has under way, and whatever has another name, stays", async () => {
  const other = Bun.spawn(["sleep", "60"]);
  try {
    const names = [`.a.yaml.${other.pid}.${UUID}`, "a.yaml", ".lock", `audit.jsonl.${GONE}`, `a.${GONE}.${UUID}`];
    put(...names);
    fs.mkdirSync(`${directory}/edit-${other.pid}-abcdef`);
    fs.mkdirSync(`${directory}/.d.${GONE}.${UUID}`);
    const before = left();
    expect(sweep([own(directory)])).toBe(0);
    expect(left()).toEqual(before);
  } finally {
    other.kill();
    await other.exited;
  }
});

test("a socket on its way to its name is removed, and one that is there stays", () => {
  const listening = (name: string) => Bun.listen({ unix: `${directory}/${name}`, socket: { data: () => {} } });
  const servers = [`daemon.sock.${GONE}`, "daemon.sock"].map(listening);
  expect(sweep([own(directory)])).toBe(1);
  expect(left()).toEqual(["daemon.sock"]);
  for (const server of servers) server.stop(true);
});

test("in a directory of other things only what is of the names that are ours is removed", () => {
  const listening = (name: string) => Bun.listen({ unix: `${directory}/${name}`, socket: { data: () => {} } });
  const servers = [`k.sock.${GONE}`, "k.sock", "nvim.12345.0", "root@10.0.0.5"].map(listening);
  put(`.k.log.${GONE}.${UUID}`, `.other.${GONE}.${UUID}`);
  fs.mkdirSync(`${directory}/edit-${GONE}-photos`);
  expect(sweep([{ directory, isOurs: (name) => ["k.sock", "k.log"].includes(name) }])).toBe(2);
  expect(left()).toEqual([`.other.${GONE}.${UUID}`, `edit-${GONE}-photos`, "k.sock", "nvim.12345.0", "root@10.0.0.5"]);
  for (const server of servers) server.stop(true);
});

test("an editor's directory has the pid of who waits for it", () => {
  expect(editingPrefix()).toBe(`edit-${process.pid}-`);
});
