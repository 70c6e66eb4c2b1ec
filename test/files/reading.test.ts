import { afterAll, expect, spyOn, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { readTrusted } from "../../src/files/reading.ts";
import { thrownBy } from "../thrown.ts";

const root = fs.mkdtempSync(`${tmpdir()}/keyhole-reading-`);
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const uid = process.getuid?.() ?? 0;

test("a link that takes a file's place between the look at it and its opening is not followed", () => {
  const path = `${root}/dev.yaml`;
  fs.writeFileSync(path, "good");
  fs.writeFileSync(`${root}/other`, "another");
  const look = fs.lstatSync;
  const looking = spyOn(fs, "lstatSync").mockImplementation(((of: string, options: fs.StatSyncOptions) => {
    const stats = look(of, options);
    if (of === path) {
      fs.rmSync(path);
      fs.symlinkSync(`${root}/other`, path);
    }
    return stats;
  }) as typeof fs.lstatSync);
  try {
    expect(thrownBy(() => readTrusted(path, uid, 100)).kind).toBe("unsafe-path");
  } finally {
    looking.mockRestore();
  }
  // What is a link when it is looked at leads where it leads.
  expect(new TextDecoder().decode(readTrusted(path, uid, 100)?.bytes)).toBe("another");
});
