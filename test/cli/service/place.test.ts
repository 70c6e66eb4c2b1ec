import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkExecutable, checkSharedPlace } from "../../../src/cli/service/requirements.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { thrownBy } from "../../thrown.ts";

const own = process.getuid!();
let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "keyhole-place-"));
  chmodSync(base, 0o755);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

test("no hint takes everybody's permission away from /tmp", () => {
  const open = make("open", 0o1777);
  for (const refuse of [
    () => checkSharedPlace(`${open}/run`, { operator: own, root: own, makesAbove: true }),
    () => checkExecutable(open, [own, 0]),
  ])
    expect(thrownBy(refuse).hint).not.toContain("chmod");
});

function refusal(directory: string, makesAbove = true, operator = own, root = own): string {
  try {
    checkSharedPlace(directory, { operator, root, makesAbove });
  } catch (error) {
    if (error instanceof KeyholeError && error.kind === "unsafe-path") return error.message;
    throw error;
  }
  return "none";
}

function make(name: string, mode: number): string {
  const path = join(base, name);
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

test("a directory that is missing is made, and so are those above it", () => {
  const options = { operator: own, root: own, makesAbove: true };
  expect(checkSharedPlace(join(base, "run"), options)).toEqual([]);
  expect(checkSharedPlace(join(base, "a/b/run"), options)).toEqual([join(base, "a"), join(base, "a/b")]);
});

test("one that was made for this is taken again", () => {
  expect(refusal(make("run", 0o2750))).toBe("none");
});

test.each([0o755, 0o700, 0o750, 0o1777, 0o2770, 0o2755])("one of mode %o is not", (mode) => {
  expect(refusal(make("run", mode))).toContain("run was not made for a shared socket");
});

test("a link and a file are not, whatever the link leads to", () => {
  symlinkSync(make("real", 0o2750), join(base, "link"));
  writeFileSync(join(base, "file"), "");
  for (const name of ["link", "file"]) expect(refusal(join(base, name))).toContain("was not made for a shared socket");
});

test("one of a third user's is not", () => {
  expect(refusal(make("run", 0o2750), true, own + 1, own + 2)).toContain("was not made for a shared socket");
});

test("nothing is made where others may have made it before", () => {
  const open = make("open", 0o1777);
  expect(refusal(`${open}/run`)).toBe(`${open} can be written by others`);
  // mkdir takes nothing that is there; a unit's `install -d` would, after the next boot.
  expect(refusal(`${open}/above/run`)).toBe("none");
  expect(refusal(`${open}/above/run`, false)).toBe(`${open} can be written by others`);
});

test("what lies further up may be no one else's either", () => {
  mkdirSync(join(make("loose", 0o777), "inner"), { mode: 0o755 });
  expect(refusal(join(base, "loose/inner/run"))).toContain("loose can be written by others");
});

function executableRefusal(path: string, owners: readonly number[]): string {
  try {
    checkExecutable(path, owners);
  } catch (error) {
    if (error instanceof KeyholeError && error.kind === "unsafe-path") return error.message;
    throw error;
  }
  return "none";
}

describe("the program of a service", () => {
  test("may lie where nobody else writes, also behind a link", () => {
    const program = process.execPath;
    const owners = [0, own, statSync(program).uid];
    symlinkSync(program, join(base, "link"));
    expect(executableRefusal(join(base, "link"), owners)).toBe(executableRefusal(program, owners));
    expect(executableRefusal("/bin/sh", owners)).toBe("none");
  });

  test("may not be another user's", () => {
    expect(executableRefusal("/bin/sh", [own + 1, own + 2])).toContain("belongs to another user");
  });

  test("may not lie below a directory in which everybody makes files, whoever it belongs to", () => {
    const path = join(make("bin", 0o755), "keyhole");
    writeFileSync(path, "");
    expect(executableRefusal(path, [own, 0])).toEndWith(" can be written by others");
  });

  test("has to be there", () => {
    expect(executableRefusal(join(base, "none"), [own, 0])).toContain("none (ENOENT)");
  });
});
