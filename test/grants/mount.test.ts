import { describe, expect, test } from "bun:test";
import { rivals } from "../../src/environment.ts";
import { checkMountPath, grantVariables, type MountedGrant, mountFiles, seenAt } from "../../src/grants/mount.ts";
import { thrownBy } from "../thrown.ts";
import { worked } from "../processes.ts";

const GRANT: MountedGrant = {
  name: "ci",
  deliver: "socket",
  mountAt: "/run/keyhole",
  executable: "small",
  sign: undefined,
  dummy: undefined,
};
const DIRECTORY = "/home/ann/.keyhole/g/AAAAAAAAAAAAAAAAAAAAAA";

const files = (grant: Partial<MountedGrant> = {}, directory = DIRECTORY, region?: string) =>
  mountFiles({ ...GRANT, ...grant }, { directory, region });

const processOf = (text: string) => [...text.matchAll(/^credential_process = (.*)$/gm)].map(([, command]) => command);

test("the AWS config has one spelling of the default profile", () => {
  expect(files({}, DIRECTORY, "eu-west-1")["aws-config"]).toBe(`# Written by keyhole for the grant ci; holds no secret.

[profile default]
credential_process = /run/keyhole/keyhole
region = eu-west-1
`);
});

test("the credentials file is empty", () => {
  expect(files().credentials).toBe("");
});

test.each([undefined, "", "eu west", "eu-west-1\n[profile x]", "x = y"])(
  "no line is written for the region %j",
  (region) => {
    expect(files({}, DIRECTORY, region)["aws-config"]).not.toContain("region");
  },
);

test.each<[string, Partial<MountedGrant>, string]>([
  ["its own executable", {}, "/run/keyhole/keyhole"],
  ["a lease", { deliver: "file" }, "cat /run/keyhole/lease.json"],
  ["a lease without an executable", { deliver: "file", executable: "none" }, "cat /run/keyhole/lease.json"],
  [
    "the image's executable",
    { executable: "none" },
    "keyhole --socket-path /run/keyhole/sock export --format credential-process",
  ],
  ["another place", { mountAt: "/opt/k-1.0_x" }, "/opt/k-1.0_x/keyhole"],
  ["a place with a space", { mountAt: "/opt/my grant" }, '"/opt/my grant/keyhole"'],
  ["the host", { mountAt: "host" }, `${DIRECTORY}/keyhole`],
  ["a lease on the host", { mountAt: "host", deliver: "file" }, `cat ${DIRECTORY}/lease.json`],
])("SDKs run %s", (_, grant, command) => {
  expect(processOf(files(grant)["aws-config"])).toEqual([command]);
});

test("keyhole may be somewhere else, where the directory has none", () => {
  const options = { directory: DIRECTORY, region: undefined, command: ["/opt/my bin/bun", "/src/main.ts"] };
  const [command] = processOf(mountFiles({ ...GRANT, executable: "none" }, options)["aws-config"]);
  expect(command).toBe(
    '"/opt/my bin/bun" /src/main.ts --socket-path /run/keyhole/sock export --format credential-process',
  );
  expect(processOf(mountFiles(GRANT, options)["aws-config"])[0]).toBe("/run/keyhole/keyhole");
});

test("a host's path is quoted so that a shell reads it back, or refused", () => {
  const directory = "/home/jörg's files/g/A";
  const [command] = processOf(files({ mountAt: "host" }, directory)["aws-config"]);
  expect(Bun.spawnSync(["sh", "-c", `printf %s ${command}`]).stdout.toString()).toBe(`${directory}/keyhole`);
  for (const bad of ['/a"b', "/a$b", "/a`b", "/a\\b", "/a\nb", "/a #b"]) {
    const error = thrownBy(() => files({ mountAt: "host" }, bad));
    expect([error.kind, error.message.includes(bad)]).toEqual(["usage", false]);
  }
});

test("a grant is seen where it is mounted, or where it is", () => {
  expect(seenAt({ mountAt: "/run/keyhole" }, DIRECTORY)).toBe("/run/keyhole");
  expect(seenAt({ mountAt: "host" }, DIRECTORY)).toBe(DIRECTORY);
});

describe("a mount path", () => {
  test.each(["host", "/run/keyhole", "/k", "/opt/my grant/x", "/a/.hidden/b..c", `/${"x".repeat(199)}`])(
    "may be %s",
    (path) => {
      expect(checkMountPath(path)).toBe(path);
    },
  );

  test.each(
    [
      ["", "/", "run/keyhole", "~/k", "/run/", "/run//k", "/run/../etc", "/..", "/run/.", "/./run", "Host", "host/"],
      ["/a:b", "/a'b", '/a"b', "/a$b", "/a;b", "/a#b", "/a\nb", "/a\\b", "/é", "/a,b", "/a=b", "/ a", "/a ", "/a /b"],
      [`/${"x".repeat(200)}`],
    ].flat(),
  )("may not be %j, which is not repeated", (path) => {
    const error = thrownBy(() => checkMountPath(path));
    expect([error.kind, error.message]).toEqual([
      "usage",
      "--mount-at must be host or an absolute path of at most 200 letters, digits, spaces or -_./, without .. and without a / at its end",
    ]);
  });

  test("of nearly nothing but spaces is refused at once", () => {
    const started = worked();
    expect(thrownBy(() => checkMountPath(`/a${" ".repeat(190)}\n`)).kind).toBe("usage");
    expect(worked() - started).toBeLessThan(1000);
  });
});

describe("the variables", () => {
  const variables = grantVariables("/run/keyhole", { deliver: "socket" });

  test("lead to the two files and nowhere else", () => {
    expect(Object.entries(variables).filter(([, value]) => value !== "")).toEqual([
      ["AWS_CONFIG_FILE", "/run/keyhole/aws-config"],
      ["AWS_SHARED_CREDENTIALS_FILE", "/run/keyhole/credentials"],
      ["AWS_EC2_METADATA_DISABLED", "true"],
      ["AWS_PROFILE", "default"],
      ["AWS_DEFAULT_PROFILE", "default"],
      ["AWS_SDK_LOAD_CONFIG", "1"],
      ["KEYHOLE_AUTOSTART", "0"],
    ]);
  });

  test("take the place of everything that would win, but for names that need another beside them", () => {
    const free = rivals.filter((name) => variables[name] === undefined);
    expect(free.toSorted()).toEqual(["AWS_CREDENTIAL_PROCESS", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"]);
    expect(variables["AWS_WEB_IDENTITY_TOKEN_FILE"]).toBe("");
    expect(variables["AWS_ACCESS_KEY_ID"]).toBe("");
  });

  test("stand in the env file one a line, without quotes and never without a =", () => {
    const lines = files({ mountAt: "/opt/my grant" }).env.split("\n");
    expect(lines.pop()).toBe("");
    expect(Object.fromEntries(lines.map((line) => line.split("=")))).toEqual(
      grantVariables("/opt/my grant", { deliver: "socket" }),
    );
    expect(lines.filter((line) => !/^[A-Z_0-9]+=[^"']*$/.test(line))).toEqual([]);
  });
});
