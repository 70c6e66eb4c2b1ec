import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  emptyCredentialsPath,
  refreshingConfig,
  refreshingConfigPath,
  shellProfileOf,
  writeRefreshingFiles,
} from "../../../src/cli/programs/refreshing.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { resolvePaths } from "../../../src/paths.ts";
import { parseSharedConfig } from "../../../src/sources/resolve/profile.ts";
import { temporaryHome } from "../fakes/daemon.ts";

const profile = { name: "dev", command: ["/opt/key hole/keyhole"], region: "eu-west-1", own: undefined, files: [] };

function home() {
  const path = temporaryHome();
  return {
    paths: resolvePaths({ KEYHOLE_HOME: path }, {}, () => "/"),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

test("the config file reads like this", () => {
  const paths = resolvePaths({ HOME: "/home/a" }, {}, () => "/");
  expect(refreshingConfig(paths, profile)).toMatchInlineSnapshot(`
    "# Written by keyhole for exec --refresh and shell; holds no secret.

    [profile default]
    credential_process = "/opt/key hole/keyhole" --socket-path /home/a/.keyhole/sock/daemon.sock export --format credential-process -n dev
    region = eu-west-1

    [profile dev]
    credential_process = "/opt/key hole/keyhole" --socket-path /home/a/.keyhole/sock/daemon.sock export --format credential-process -n dev
    region = eu-west-1
    "
  `);
});

test("AWS_PROFILE of a shell is its config's name, and shadows no profile of the person's", () => {
  const own = parseSharedConfig("[default]\n[profile dev]\n[profile a b]\n", "");
  expect(shellProfileOf({ name: "dev", own: undefined })).toBe("dev");
  expect(shellProfileOf({ name: "prod", own })).toBe("prod");
  expect(shellProfileOf({ name: "dev", own })).toBe("keyhole-dev");
  expect(shellProfileOf({ name: "default", own: undefined })).toBe("keyhole-default");
  expect(shellProfileOf({ name: "aws:dev", own })).toBe("keyhole-dev");
  expect(shellProfileOf({ name: "aws:a%20b", own })).toBe("a-b");
  const both = parseSharedConfig("[profile dev]\n[profile keyhole-dev]\n", "");
  const sections = refreshingConfig(
    resolvePaths({ HOME: "/home/a" }, {}, () => "/"),
    { ...profile, own: both },
  );
  expect(sections.match(/^\[.*/gm)).toEqual([
    "[profile default]",
    `[profile ${shellProfileOf({ name: "dev", own: both })}]`,
    "[profile dev]",
    "[profile keyhole-dev]",
  ]);
  expect(shellProfileOf({ name: "dev", own: both })).toBe("keyhole-keyhole-dev");
});

test("a grant's socket is told no name", () => {
  const paths = { ...resolvePaths({ HOME: "/home/a" }, {}, () => "/"), socket: "/run/keyhole/sock" };
  expect(refreshingConfig(paths, { ...profile, isGrant: true })).toContain(
    "--socket-path /run/keyhole/sock export --format credential-process\n",
  );
});

test("a path that cannot be quoted is refused before anything is written", () => {
  using place = home();
  expect(() => writeRefreshingFiles(place.paths, { ...profile, command: ["/opt/$x/keyhole"] })).toThrow(KeyholeError);
  expect(() => statSync(place.paths.runDir)).toThrow();
});

test("the files are the owner's alone, the credentials file is empty, and no other file stays", () => {
  using place = home();
  const { paths } = place;
  writeRefreshingFiles(paths, profile);
  writeRefreshingFiles(paths, profile);
  expect(statSync(paths.runDir).mode & 0o777).toBe(0o700);
  for (const file of readdirSync(paths.runDir)) expect(statSync(join(paths.runDir, file)).mode & 0o777).toBe(0o600);
  expect(readdirSync(paths.runDir)).toHaveLength(2);
  expect(readFileSync(emptyCredentialsPath(paths), "utf8")).toBe("");
  expect(readFileSync(refreshingConfigPath(paths, "dev", []), "utf8")).toBe(refreshingConfig(paths, profile));
});

test("a directory that others can write is refused, and its mode left alone", () => {
  using place = home();
  mkdirSync(place.paths.runDir);
  chmodSync(place.paths.runDir, 0o777);
  expect(() => writeRefreshingFiles(place.paths, profile)).toThrow("can be written by others");
  expect(statSync(place.paths.runDir).mode & 0o777).toBe(0o777);
});

test.each(["sh", "bash", "dash"].filter((shell) => Bun.which(shell) !== null))(
  "%s and an SDK that splits words itself see the same command",
  (shell) => {
    const paths = resolvePaths({ KEYHOLE_HOME: "/home/a b" }, {}, () => "/");
    const line = /credential_process = (.*)/.exec(refreshingConfig(paths, profile))![1]!;
    const seen = Bun.spawnSync([shell, "-c", `printf '%s\\n' ${line}`]).stdout.toString();
    expect(seen.trimEnd().split("\n")).toEqual([
      "/opt/key hole/keyhole",
      "--socket-path",
      "/home/a b/sock/daemon.sock",
      "export",
      "--format",
      "credential-process",
      "-n",
      "dev",
    ]);
  },
);

test("other profiles stay, and the default's settings; no key, no command and no way to another default is copied", () => {
  const paths = resolvePaths({ HOME: "/home/a" }, {}, () => "/");
  const own = parseSharedConfig(
    `[default]
region = us-east-1
output = yaml
aws_access_key_id = AKIADEFAULT
s3 =
  addressing_style = path
[profile "team a"]
role_arn = arn:aws:iam::123456789012:role/a
source_profile = default
region = eu-north-1
[profile helper]
credential_process = helper --password canary
[profile sso]
sso_session = corp
sso_account_id = 1
sso_role_name = r
[profile both]
login_session = arn
[profile half]
sso_session = corp
[profile plain]
output = text
[profile "q'q"]
output = text
[sso-session corp]
sso_region = eu-west-1
`,
    "[stored]\naws_access_key_id = AKIACANARY\naws_secret_access_key = canary\n[both]\naws_access_key_id = AKIACANARY\n[half]\naws_access_key_id = AKIACANARY\n",
  );
  const text = refreshingConfig(paths, { ...profile, region: undefined, own });
  expect(text.replaceAll(/"\/opt.* -n /g, "keyhole -n ")).toMatchInlineSnapshot(`
    "# Written by keyhole for exec --refresh and shell; holds no secret.

    [profile default]
    credential_process = keyhole -n dev
    region = us-east-1
    output = yaml
    s3 =
      addressing_style = path

    [profile dev]
    credential_process = keyhole -n dev
    region = us-east-1
    output = yaml
    s3 =
      addressing_style = path

    [profile "team a"]
    credential_process = keyhole -n "aws:team%20a"
    region = eu-north-1

    [profile helper]
    credential_process = keyhole -n "aws:helper"

    [profile sso]
    sso_session = corp
    sso_account_id = 1
    sso_role_name = r

    [profile both]
    credential_process = keyhole -n "aws:both"

    [profile half]
    credential_process = keyhole -n "aws:half"

    [profile plain]
    output = text

    [profile stored]
    credential_process = keyhole -n "aws:stored"

    [sso-session corp]
    sso_region = eu-west-1
    "
  `);
  expect(text).not.toMatch(/canary|AKIA/i);
  expect([...parseSharedConfig(text, "").profiles.keys()]).toEqual([
    "default",
    "dev",
    "team a",
    "helper",
    "sso",
    "both",
    "half",
    "plain",
    "stored",
  ]);
});
