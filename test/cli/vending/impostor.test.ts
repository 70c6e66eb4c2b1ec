import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { refuseImpostor } from "../../../src/cli/vending/shared.ts";
import { thrownBy } from "../../thrown.ts";

const isRoot = process.getuid!() === 0;
/** Neither root's nor, to those who are asked here, their own. */
const operator = isRoot ? 1234 : process.getuid!();
const own = operator + 1;
let base: string;
let socket: string;

const of = (uid: number) => ({ uid, gid: uid, pid: 7 });

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "keyhole-impostor-"));
  chmodSync(base, 0o755);
  mkdirSync(join(base, "run"), { mode: 0o750 });
  socket = join(base, "run", "k.sock");
  if (isRoot) chownSync(join(base, "run"), operator, operator);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** The directory above the socket's, as root's; a test that is not root's takes it for the caller's own. */
const caller = isRoot ? own : operator;

test("the directory's owner and a service manager may listen there", () => {
  for (const uid of [operator, 0]) refuseImpostor(of(uid), socket, caller);
});

test("nobody else may", () => {
  expect(thrownBy(() => refuseImpostor(of(own + 1), socket, caller))).toMatchObject({
    kind: "unsafe-path",
    message: `what answers at ${socket} belongs to another user (uid ${own + 1}) than its directory (uid ${operator})`,
  });
});

test("a directory in which others may write is nobody's", () => {
  chmodSync(join(base, "run"), 0o770);
  expect(thrownBy(() => refuseImpostor(of(operator), socket, caller))).toMatchObject({ kind: "unsafe-path" });
});

test("another user's directory in a public one may be anybody's, at any depth", () => {
  if (isRoot) chownSync(base, operator, operator);
  expect(thrownBy(() => refuseImpostor(of(operator), socket, own))).toMatchObject({
    kind: "unsafe-path",
    message: `${base} belongs to another user, and any user may have made it`,
  });
});
