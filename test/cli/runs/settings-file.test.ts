import { expect, test } from "bun:test";
import { fstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSettings } from "../../../src/cli/runs/settings-file.ts";

test("settings are read from a file without a name, which cannot be written to", () => {
  const home = mkdtempSync(join(tmpdir(), "keyhole-settings-"));
  try {
    using settings = openSettings(`${home}/run`, "run-1", "{}");
    expect(readdirSync(`${home}/run`)).toEqual([]);
    const { mode, nlink } = fstatSync(settings.descriptor);
    expect({ mode: mode & 0o777, nlink }).toEqual({ mode: 0o600, nlink: 0 });
    expect(() => writeSync(settings.descriptor, "x")).toThrow("EBADF");
    expect(readFileSync(settings.descriptor, "utf8")).toBe("{}");
  } finally {
    rmSync(home, { recursive: true });
  }
});
