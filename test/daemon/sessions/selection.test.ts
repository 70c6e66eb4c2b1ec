import { describe, expect, test } from "bun:test";
import { createSessionConfigs, select, selectionOf, wantedOf } from "../../../src/daemon/sessions/selection.ts";
import { thrownBy } from "../../thrown.ts";
import { FakeConfigs, roleConfig } from "../fakes/configs.ts";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isConfigGone } from "../../../src/config/name.ts";

const LOCAL = "http://127.0.0.1:4566";

describe("which session a requester means", () => {
  const configs = new FakeConfigs();
  configs.write("dev", roleConfig("dev"));
  configs.write("dev (/alt)", roleConfig("alt"));
  configs.write("fixed", { ...roleConfig("fixed"), STS: { endpoint_url: "https://sts.example" } });

  test.each<[string, string | undefined, Record<string, string>, string, Record<string, string>]>([
    ["dev", undefined, { AWS_PROFILE: "p" }, "dev", { AWS_PROFILE: "p" }],
    ["dev", "/alt", { AWS_PROFILE: "p" }, "dev (/alt)", { AWS_PROFILE: "p" }],
    ["dev", undefined, { AWS_ENDPOINT_URL_STS: LOCAL }, `dev (${LOCAL})`, { AWS_ENDPOINT_URL_STS: LOCAL }],
    ["dev", undefined, { AWS_ENDPOINT_URL: LOCAL }, `dev (${LOCAL})`, { AWS_ENDPOINT_URL: LOCAL }],
    ["dev", "/alt", { AWS_ENDPOINT_URL: LOCAL }, `dev (/alt, ${LOCAL})`, { AWS_ENDPOINT_URL: LOCAL }],
    // The more special one wins, as in the SDKs.
    [
      "dev",
      undefined,
      { AWS_ENDPOINT_URL: "http://other", AWS_ENDPOINT_URL_STS: LOCAL },
      `dev (${LOCAL})`,
      { AWS_ENDPOINT_URL: "http://other", AWS_ENDPOINT_URL_STS: LOCAL },
    ],
    [
      "dev",
      undefined,
      { AWS_ENDPOINT_URL: LOCAL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "True" },
      "dev (no configured endpoint)",
      { AWS_ENDPOINT_URL: LOCAL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "True" },
    ],
    ["dev", undefined, { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "false" }, "dev", {}],
    ["fixed", undefined, { AWS_ENDPOINT_URL_STS: LOCAL, AWS_PROFILE: "p" }, "fixed", { AWS_PROFILE: "p" }],
    ["fixed", undefined, { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" }, "fixed", {}],
  ])("%s in %s with %j is %s", (config, directory, environment, name, kept) => {
    expect(select(configs, { config, directory }, environment, "/h")).toEqual({ name, environment: kept });
  });

  // One shell's profile is never another's of that name.
  test.each<[Record<string, string>, string]>([
    [{}, "aws:p"],
    [{ HOME: "/h" }, "aws:p"],
    [{ HOME: "/h", AWS_CONFIG_FILE: "/h/.aws/config" }, "aws:p"],
    [{ AWS_CONFIG_FILE: "~/.aws/../.aws/config", HOME: "/h" }, "aws:p"],
    [{ AWS_CONFIG_FILE: "/x/config" }, "aws:p (/x/config:/h/.aws/credentials)"],
    [{ AWS_SHARED_CREDENTIALS_FILE: "~/keys" }, "aws:p (/h/.aws/config:/h/keys)"],
    [{ AWS_CONFIG_FILE: "/a:b", AWS_SHARED_CREDENTIALS_FILE: "/c" }, "aws:p (/a%253Ab:/c)"],
    [{ HOME: "/other" }, "aws:p (/other/.aws/config:/other/.aws/credentials)"],
    [{ AWS_CONFIG_FILE: "/x", AWS_ENDPOINT_URL: LOCAL }, `aws:p (/x:/h/.aws/credentials, ${LOCAL})`],
  ])("a profile without a config with %j is %s", (environment, expected) => {
    const { name } = select(
      createSessionConfigs("/h/configs", () => {}),
      { config: "aws:p", directory: undefined },
      environment,
      "/h",
    );
    expect(name).toBe(expected);
    expect(createSessionConfigs("/h/configs", () => {}).read(name).config).toEqual({ Session: { profile_name: "p" } });
  });

  test.each(["", "127.0.0.1", "file:///x", "http://user:secret@host", "http://host?token=secret", "http://host#x"])(
    "an endpoint %j is refused without being repeated",
    (value) => {
      const error = thrownBy(() => selectionOf(roleConfig("dev"), { AWS_ENDPOINT_URL: value }));
      expect(error).toMatchObject({ kind: "invalid-config" });
      expect(String(error)).not.toContain("secret");
    },
  );
});

test.each([
  ["/h/configs", undefined],
  ["/h/configs/", undefined],
  ["", undefined],
  ["/h/x/../configs", undefined],
  ["/h/alt/", "/h/alt"],
])("the directory %s is %p", (directory, expected) => {
  expect(wantedOf("dev", directory, "/h/configs")).toEqual({ config: "dev", directory: expected });
});

test("a directory that means another one in every process, and a config that leads out of one, are refused", () => {
  expect(thrownBy(() => wantedOf("dev", "configs", "/h/configs"))).toMatchObject({ kind: "usage" });
  expect(thrownBy(() => wantedOf("../x", "/configs", "/h/configs"))).toMatchObject({ kind: "usage" });
});

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
