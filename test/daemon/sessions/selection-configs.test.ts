import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isConfigGone } from "../../../src/config/name.ts";
import { createSessionConfigs } from "../../../src/daemon/sessions/selection.ts";
import { thrownBy } from "../../thrown.ts";

function write(directory: string, role: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const text = `AssumeRole:\n  RoleArn: arn:aws:iam::111122223333:role/${role}\n`;
  writeFileSync(join(directory, "dev.yaml"), text, { mode: 0o600 });
}

test("a session's config is that of its directory, as its file is now", () => {
  const home = mkdtempSync(join(tmpdir(), "keyhole-configs-"));
  try {
    const [own, alt] = [join(home, "own"), join(home, "alt")];
    write(own, "one");
    write(alt, "two");
    const configs = createSessionConfigs(own, () => {});
    const roleOf = (name: string) => configs.read(name).config.AssumeRole?.RoleArn.split("/")[1];
    const names = ["dev", `dev (${alt})`, "dev (http://127.0.0.1:1)", `dev (${alt}, http://127.0.0.1:1)`];
    expect(names.map(roleOf)).toEqual(["one", "two", "one", "two"]);
    expect(names.map((name) => configs.read(name).name)).toEqual(names);
    // What is read last is the last to be forgotten.
    configs.know(["dev", "other"]);
    expect([...configs.loaded]).toEqual(["dev", "other"]);
    roleOf("dev");
    expect([...configs.loaded]).toEqual(["other", "dev"]);
    write(alt, "three");
    expect(roleOf(`dev (${alt})`)).toBe("three");
    rmSync(join(alt, "dev.yaml"));
    expect(thrownBy(() => configs.read(`dev (${alt})`))).toSatisfy(isConfigGone);
    expect(thrownBy(() => configs.read("never"))).toMatchObject({ kind: "no-such-config" });
    expect(thrownBy(() => configs.read("never"))).not.toSatisfy(isConfigGone);
    expect(configs.revision(`dev (${alt})`)).toBeUndefined();
    expect(thrownBy(() => configs.read("../own/dev"))).toMatchObject({ kind: "usage" });
  } finally {
    rmSync(home, { recursive: true });
  }
});
