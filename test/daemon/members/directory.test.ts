import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkSharedDirectory } from "../../../src/daemon/members/serve.ts";
import { thrownBy } from "../../thrown.ts";

const OWN = process.getuid!();
/** The usual socket needs no variable; in shared.test.ts (e2e) it is seen. */
const setup = () => `sudo KEYHOLE_SHARED_SOCKET=${path}/s.sock keyhole setup agent-access --agent-user USER`;
let parent: string;
let path: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "keyhole-shareddir-"));
  path = join(parent, "run");
  mkdirSync(path, { mode: 0o750 });
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const failure = () => thrownBy(() => checkSharedDirectory(`${path}/s.sock`, OWN));

test.skipIf(OWN !== 0)("its group is who may come", () => {
  chownSync(path, OWN, 990);
  expect(checkSharedDirectory(`${path}/s.sock`, OWN)).toBe(990);
});

test.skipIf(OWN !== 0)("the group of root lets nobody in", () => {
  expect(failure()).toMatchObject({ kind: "unsafe-path", hint: setup() });
  expect(failure().message).toEndWith("belongs to the group of root: no member could connect by group");
});

test("one that is missing is made by a command that is named", () => {
  rmSync(path, { recursive: true });
  expect(failure()).toMatchObject({
    kind: "unsafe-path",
    message: `the directory ${path} of the shared socket does not exist`,
    hint: setup(),
  });
});

test("a file is no directory", () => {
  rmSync(path, { recursive: true });
  writeFileSync(path, "");
  expect(failure().message).toBe(`${path} is not a directory`);
});

test.each([0o702, 0o752])("one that others may write to is refused: %o", (mode) => {
  chmodSync(path, mode);
  expect(failure()).toMatchObject({ kind: "unsafe-path", hint: `chmod go-w ${path}` });
});

test("one whose parent others may write to is refused", () => {
  chmodSync(parent, 0o777);
  expect(failure().message).toBe(`${parent} can be written by others`);
});

test.skipIf(OWN !== 0)("one of another user is refused, and one of root is not", () => {
  chownSync(path, 1234, 990);
  expect(thrownBy(() => checkSharedDirectory(`${path}/s.sock`, 1235)).message).toBe(
    `${path} belongs to another user (uid 1234)`,
  );
  chownSync(path, 0, 990);
  chmodSync(parent, 0o755);
  expect(checkSharedDirectory(`${path}/s.sock`, 1235)).toBe(990);
});
