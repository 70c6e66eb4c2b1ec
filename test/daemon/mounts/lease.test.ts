import { afterEach, beforeEach, expect, test } from "bun:test";
import { fromIni } from "@aws-sdk/credential-provider-ini";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { Credentials, formatProcessLine } from "../../../src/credentials.ts";
import { createLease, type Lease } from "../../../src/daemon/mounts/lease.ts";
import { type Mount, openMount } from "../../../src/daemon/mounts/mount.ts";
import { KeyholeError } from "../../../src/errors.ts";

let root: string;
let mount: Mount;
let lease: Lease;
let path: string;

beforeEach(() => {
  root = fs.mkdtempSync(`${tmpdir()}/keyhole-lease-`);
  mount = openMount(`${root}/home/g`, "abcdefghijABCDEFGHIJ_-");
  lease = createLease(mount);
  path = `${mount.path}/lease.json`;
});
afterEach(() => {
  mount.close();
  fs.chmodSync(`${root}/home/g`, 0o700);
  fs.rmSync(root, { recursive: true, force: true });
});

const line = (accessKeyId: string): Uint8Array =>
  formatProcessLine(
    new Credentials({
      accessKeyId,
      secretAccessKey: "the-secret",
      sessionToken: "the-token",
      expiresAt: Date.UTC(2099, 0, 1),
    }),
  );

/** What the SDK for JavaScript makes of it, by the way that a lease's aws-config goes. */
async function readBySdk() {
  fs.writeFileSync(`${root}/config`, `[profile lease]\ncredential_process = cat ${path}\n`);
  return fromIni({ profile: "lease", configFilepath: `${root}/config`, filepath: "/dev/null" })();
}

test("a lease is what an SDK reads, anybody may read it, and it is the whole line at every moment", async () => {
  lease.write(line("ASIAONE"));
  expect(fs.statSync(path).mode & 0o7777).toBe(0o444);
  expect(await readBySdk()).toMatchObject({ accessKeyId: "ASIAONE", sessionToken: "the-token" });
  const reader = fs.openSync(path, "r");
  lease.write(line("ASIATWO"));
  expect(fs.readFileSync(reader)).toEqual(Buffer.from(line("ASIAONE")));
  expect(fs.readFileSync(path)).toEqual(Buffer.from(line("ASIATWO")));
  fs.closeSync(reader);
  expect(fs.readdirSync(mount.path)).toEqual(["lease.json"]);
});

test("no byte of a line is kept: it can be wiped as soon as it was written", () => {
  const bytes = line("ASIAONE");
  lease.write(bytes);
  const text = fs.readFileSync(path, "utf8");
  bytes.fill(0);
  expect(fs.readFileSync(path, "utf8")).toBe(text);
  lease.write(line("ASIAONE"));
  expect(fs.readFileSync(path, "utf8")).toContain("ASIAONE");
});

test.each([
  ["revoked", "this grant was revoked", '{"Version":"keyhole: this grant was revoked"}\n'],
  ["expired", 'it said "\u001b[2J\u202e"\n', '{"Version":"keyhole: it said \\"\\u001b[2J\\u202e\\"\\n"}\n'],
] as const)("after the end stands one line of JSON that an SDK refuses (%s)", async (kind, words, expected) => {
  lease.write(line("ASIAONE"));
  lease.end(new KeyholeError(kind, words));
  expect(fs.readFileSync(path, "utf8")).toBe(expected);
  expect(fs.statSync(path).mode & 0o7777).toBe(0o444);
  expect(await readBySdk().catch(String)).toContain("did not return Version 1");
});

test("where the reason cannot be written the credentials go all the same, and it is written when there is room", () => {
  lease.write(line("ASIAONE"));
  let isFull = true;
  const full = createLease({
    write: (name, bytes, mode) => {
      if (isFull) throw new KeyholeError("unsafe-path", "cannot write (ENOSPC)");
      mount.write(name, bytes, mode);
    },
    clear: (name) => mount.clear(name),
  });
  expect(() => full.end(new KeyholeError("revoked", "this grant was revoked"))).toThrow("ENOSPC");
  expect(fs.readdirSync(mount.path)).toEqual([]);
  expect(() => full.end(new KeyholeError("revoked", "this grant was revoked"))).toThrow("ENOSPC");
  isFull = false;
  full.end(new KeyholeError("revoked", "this grant was revoked"));
  expect(fs.readFileSync(path, "utf8")).toContain("this grant was revoked");
});
