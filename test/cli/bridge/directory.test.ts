import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBridgeDirectory } from "../../../src/cli/programs/bridge-ends.ts";
import { thrownBy } from "../../thrown.ts";

function temporary() {
  const path = mkdtempSync(join(tmpdir(), "keyhole-bridge-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const grant = { grant: "agent", region: "eu-west-1" };
const command = ["/opt/keyhole"];

test("a directory that is named is made, holds what an SDK needs, and goes", () => {
  using home = temporary();
  const at = join(home.path, "at");
  const directory = openBridgeDirectory(at, {}, { runDir: "/nowhere" });
  expect(directory.socket).toBe(`${at}/sock`);
  expect(statSync(at).mode & 0o777).toBe(0o700);
  directory.write(grant, command);
  expect(readdirSync(at).toSorted()).toEqual(["aws-config", "credentials", "env"]);
  expect(readFileSync(`${at}/credentials`, "utf8")).toBe("");
  const config = readFileSync(`${at}/aws-config`, "utf8");
  expect(config).toContain(`= /opt/keyhole --socket-path ${at}/sock export --format credential-process\n`);
  expect(config).toContain("region = eu-west-1\n");
  expect(readFileSync(`${at}/env`, "utf8")).toContain(`AWS_CONFIG_FILE=${at}/aws-config\n`);
  directory.remove();
  expect(readdirSync(home.path)).toEqual([]);
});

test("what somebody else put there stays", () => {
  using home = temporary();
  const directory = openBridgeDirectory(home.path, {}, { runDir: "/nowhere" });
  writeFileSync(join(home.path, "notes"), "mine");
  directory.write(grant, command);
  directory.remove();
  expect(readdirSync(home.path)).toEqual(["notes"]);
});

test.each([
  ["XDG_RUNTIME_DIR", (home: string) => ({ XDG_RUNTIME_DIR: home }), "keyhole"],
  ["keyhole's home without it", () => ({}), "run"],
  ["keyhole's home where it is relative", () => ({ XDG_RUNTIME_DIR: "run/user" }), "run"],
] as const)("without a name it is a private one of its own under %s", (_, environment, parent) => {
  using home = temporary();
  const open = () => openBridgeDirectory(undefined, environment(home.path), { runDir: join(home.path, "run") });
  const [one, other] = [open(), open()];
  expect(one.path).toStartWith(`${home.path}/${parent}/bridge-`);
  expect(other.path).not.toBe(one.path);
  expect(statSync(one.path).mode & 0o777).toBe(0o700);
});

test("a directory that others may write to is refused", () => {
  using home = temporary();
  const at = join(home.path, "at");
  mkdirSync(at);
  chmodSync(at, 0o777);
  expect(thrownBy(() => openBridgeDirectory(at, {}, { runDir: "/nowhere" })).kind).toBe("unsafe-path");
});

test.each(["/tmp/a'b", "/tmp/a\nb", "/tmp/../etc", "/tmp/a/"])("%p, which an SDK would misread, is refused", (at) => {
  expect(thrownBy(() => openBridgeDirectory(at, {}, { runDir: "/nowhere" })).kind).toBe("usage");
});
