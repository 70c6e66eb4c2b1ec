import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listNames } from "../../src/files/directories.ts";
import { thrownBy } from "../thrown.ts";

const kind = { extension: ".yaml", isName: (name: string) => /^[a-z]+$/.test(name), withLinks: false };
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-names-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("files of that extension count, by their sorted names", () => {
  for (const name of ["b.yaml", "a.yaml", "a.yml", "c.yaml.old", "C.yaml", ".yaml"])
    writeFileSync(join(directory, name), "");
  mkdirSync(join(directory, "d.yaml"));
  symlinkSync("a.yaml", join(directory, "l.yaml"));
  expect(listNames(directory, kind)).toEqual(["a", "b"]);
  expect(listNames(directory, { ...kind, withLinks: true })).toEqual(["a", "b", "l"]);
});

test("where there is no directory there are none, and what is none says so", () => {
  expect(listNames(join(directory, "none"), kind)).toEqual([]);
  writeFileSync(join(directory, "file"), "");
  expect(thrownBy(() => listNames(join(directory, "file"), kind))).toMatchObject({ kind: "unsafe-path" });
});
