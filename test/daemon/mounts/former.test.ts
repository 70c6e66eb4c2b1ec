// What a former version left: definitions and lines with the names of directories.
import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { hideFormerNames } from "../../../src/daemon/mounts/directory-names.ts";
import { createDirectoryNames } from "../../../src/daemon/mounts/directory-names.ts";
import { grantIdOf } from "../../../src/grants/names.ts";
import { openGrantStore } from "../../../src/grants/store.ts";
import { FULL, LEAST } from "../../grants/fakes/grants.ts";

const NAME = "abcdefghijABCDEFGHIJ_-";

let home: string;
beforeEach(() => {
  home = fs.mkdtempSync(`${tmpdir()}/keyhole-former-`);
  fs.mkdirSync(`${home}/logs`);
});
afterEach(() => fs.rmSync(home, { recursive: true }));

const line = (name: string) => `{"kind":"vend","peer":{"executable":"/home/ada/.keyhole/g/${name}/keyhole"}}\n`;
const paths = () => ({ audit: `${home}/logs/audit.jsonl`, log: `${home}/logs/daemon.log` });
const files = ["daemon.log", "daemon.log.3", "audit.jsonl", "audit.jsonl.10", "audit-grants.jsonl"];

function start() {
  const store = openGrantStore(`${home}/grants`);
  return hideFormerNames(
    store,
    paths(),
    createDirectoryNames(`${home}/g`, () => {}),
  );
}

function write(id: string) {
  openGrantStore(`${home}/grants`).write({ ...LEAST, id }, { durable: false });
  for (const file of files) fs.writeFileSync(`${home}/logs/${file}`, line(NAME) + line("x".repeat(22)));
}

test("lines of before say the grant's name, in every file", () => {
  write(NAME);
  expect(start()).toBeUndefined();
  for (const file of files) {
    expect(fs.readFileSync(`${home}/logs/${file}`, "utf8")).toBe(line("agent-a") + line("…"));
    expect(fs.statSync(`${home}/logs/${file}`).mode & 0o777).toBe(0o600);
  }
});

test("where no definition is a former version's nothing is read or written", () => {
  write(grantIdOf(NAME));
  openGrantStore(`${home}/grants`).write(FULL, { durable: false });
  const before = fs.statSync(`${home}/logs/audit.jsonl`, { bigint: true });
  expect(start()).toBeUndefined();
  expect(fs.statSync(`${home}/logs/audit.jsonl`, { bigint: true }).ino).toBe(before.ino);
  expect(fs.readFileSync(`${home}/logs/audit.jsonl`, "utf8")).toContain(NAME);
});

test("a broken definition keeps no other one back, and a file that cannot be written is told of", () => {
  write(NAME);
  fs.writeFileSync(`${home}/grants/broken.yaml`, "{");
  fs.rmSync(`${home}/logs/audit.jsonl`);
  fs.mkdirSync(`${home}/logs/audit.jsonl`);
  expect(start()).toBeUndefined();
  expect(fs.readFileSync(`${home}/logs/daemon.log`, "utf8")).toContain("/g/agent-a/");
  if (process.getuid?.() === 0) return;
  write(NAME);
  fs.chmodSync(`${home}/logs`, 0o500);
  expect(start()).toContain("cannot write");
  fs.chmodSync(`${home}/logs`, 0o700);
});
