import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Check } from "../../../src/cli/doctor/finding.ts";
import type { GrantDirectory, InsideMachine } from "../../../src/cli/doctor/machines.ts";
import {
  checkBearerToken,
  checkBoto,
  checkConfigFile,
  checkContainer,
  checkCredentialsFile,
  checkExpiration,
  checkKeys,
  checkMetadata,
  checkProfile,
  checkSigning,
  checkWebIdentity,
} from "../../../src/cli/doctor/shadows.ts";
import { grantVariables } from "../../../src/grants/mount.ts";
import { Home, insideMachine, mountGrant } from "../fakes/machines.ts";

const SECRET = "CANARY";
const RELAY = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:4711/credentials" };

const byVariables: readonly (readonly [string, Check<InsideMachine>, Record<string, string>, string, string])[] = [
  ["keys", checkKeys, { AWS_ACCESS_KEY_ID: SECRET, AWS_SECRET_ACCESS_KEY: SECRET }, "problem", "AWS_SECRET_ACCESS_KEY"],
  ["keys by their older names", checkKeys, { AWS_SECURITY_TOKEN: SECRET }, "problem", "unset AWS_SECURITY_TOKEN"],
  ["an expiry", checkExpiration, { AWS_CREDENTIAL_EXPIRATION: SECRET }, "warning", "AWS_CREDENTIAL_EXPIRATION"],
  ["a profile", checkProfile, { AWS_PROFILE: SECRET }, "problem", "export AWS_PROFILE=default"],
  ["an empty profile", checkProfile, { AWS_DEFAULT_PROFILE: "" }, "problem", "export AWS_DEFAULT_PROFILE=default"],
  [
    "IRSA",
    checkWebIdentity,
    { AWS_ROLE_ARN: SECRET, AWS_WEB_IDENTITY_TOKEN_FILE: SECRET },
    "problem",
    "unset AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE",
  ],
  ["ECS", checkContainer, { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: SECRET }, "problem", "ECS"],
  [
    "EKS Pod Identity",
    checkContainer,
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1/credentials" },
    "problem",
    "unset AWS_CONTAINER_CREDENTIALS_FULL_URI",
  ],
  ["a bearer token", checkBearerToken, { AWS_BEARER_TOKEN_BEDROCK: SECRET }, "problem", "AWS_BEARER_TOKEN_BEDROCK"],
  ["another IMDS", checkMetadata, { AWS_EC2_METADATA_SERVICE_ENDPOINT: SECRET }, "problem", "IMDS"],
];

test.each(byVariables)(
  "%s in the environment is named, without a value",
  async (_, check, environment, level, text) => {
    using home = new Home();
    const found = await check(insideMachine(home, { environment }));
    expect(found).toMatchObject([{ level }]);
    expect(JSON.stringify(found)).toContain(text);
    expect(JSON.stringify(found)).not.toContain(SECRET);
  },
);

const all: readonly (readonly [string, Check<InsideMachine>])[] = [
  ...new Map(byVariables.map(([, check]) => [check.name, check] as const)),
  ["checkConfigFile", checkConfigFile],
  ["checkCredentialsFile", checkCredentialsFile],
  ["checkBoto", checkBoto],
];

test.each(all)("%s is silent where the grant's own variables are set", async (_, check) => {
  using home = new Home();
  const grant = mountGrant(home);
  home.write(".aws/credentials", `[default]\naws_access_key_id = ${SECRET}\n`);
  const environment = { AWS_ROLE_ARN: "left alone", ...grantVariables(grant.path, { deliver: "socket" }) };
  const found = await check(insideMachine(home, { grant, environment }));
  expect(found.filter(({ level }) => level !== "ok")).toEqual([]);
});

test("a container's endpoint behind the grant's profile is a warning, and a relay's is the grant's", async () => {
  using home = new Home();
  const grant = mountGrant(home);
  const environment = { AWS_CONFIG_FILE: `${grant.path}/aws-config`, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/x" };
  expect(checkContainer(insideMachine(home, { grant, environment }))).toMatchObject([{ level: "warning" }]);
  expect(checkContainer(insideMachine(home, { environment: RELAY }))).toMatchObject([{ level: "ok" }]);
});

/** Of a machine with a grant, unless it is left out. */
const of = (home: Home, environment: Record<string, string>, grant: GrantDirectory | undefined = mountGrant(home)) =>
  insideMachine(home, { grant, environment });

test("what leads requests past a grant that signs is named; to others it means nothing", () => {
  using home = new Home();
  const environment = {
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "True",
    AWS_ENDPOINT_URL_S3: "https://x",
    AWS_ENDPOINT_URL: "",
  };
  const grant = mountGrant(home, "sign");
  expect(checkSigning(of(home, environment, grant))).toEqual([
    {
      level: "problem",
      message:
        "AWS_ENDPOINT_URL_S3, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS leads requests past the grant, which signs them",
      fix: "unset AWS_ENDPOINT_URL_S3 AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    },
  ]);
  expect(checkSigning(of(home, { ...grantVariables(grant.path, grant) }, grant))).toMatchObject([{ level: "ok" }]);
  expect(checkSigning(of(home, environment))).toEqual([]);
});

describe("files", () => {
  const BAKED = `[default]\naws_access_key_id = ${SECRET}\naws_secret_access_key = ${SECRET}\n`;
  test("a baked ~/.aws that is used is named", async () => {
    using home = new Home();
    const config = home.write(".aws/config", "[default]\nregion = eu-west-1\n");
    const credentials = home.write(".aws/credentials", BAKED);
    const machine = of(home, {});
    expect(await checkConfigFile(machine)).toEqual([
      {
        level: "problem",
        message: `${config} is used in the place of the grant's`,
        fix: `export AWS_CONFIG_FILE=${machine.grant!.path}/aws-config`,
      },
    ]);
    expect(await checkCredentialsFile(machine)).toMatchObject([
      { level: "problem", message: `${credentials} is used in the place of the grant's` },
    ]);
  });

  test("so is another file that a variable names, also with a tilde", async () => {
    using home = new Home();
    home.write("baked", BAKED);
    for (const path of [join(home.path, "baked"), "~/baked"])
      expect(await checkCredentialsFile(of(home, { AWS_SHARED_CREDENTIALS_FILE: path }))).toMatchObject([
        { level: "problem" },
      ]);
  });

  test("no config file at all is a problem, no credentials file is not", async () => {
    using home = new Home();
    expect(await checkConfigFile(of(home, {}))).toMatchObject([
      { level: "problem", message: "AWS_CONFIG_FILE does not lead to the grant's" },
    ]);
    expect(await checkCredentialsFile(of(home, {}))).toMatchObject([{ level: "ok" }]);
    home.write(".aws/credentials", "# nothing\n");
    expect(await checkCredentialsFile(of(home, {}))).toMatchObject([{ level: "ok" }]);
  });

  test("the grant's by another name is the grant's", async () => {
    using home = new Home();
    const grant = mountGrant(home);
    const path = `${grant.path}/../keyhole/aws-config`;
    expect(await checkConfigFile(of(home, { AWS_CONFIG_FILE: path }, grant))).toMatchObject([{ level: "ok" }]);
  });

  test("behind a relay there must be none", async () => {
    using home = new Home();
    const relayed = { ...RELAY, AWS_CONFIG_FILE: "/dev/null", AWS_SHARED_CREDENTIALS_FILE: "/dev/null" };
    expect(await checkConfigFile(of(home, relayed))).toMatchObject([{ level: "ok" }]);
    home.write(".aws/credentials", BAKED);
    expect(await checkCredentialsFile(of(home, RELAY))).toMatchObject([
      { level: "problem", fix: "export AWS_SHARED_CREDENTIALS_FILE=/dev/null" },
    ]);
  });

  test("boto 2's with keys are named", async () => {
    using home = new Home();
    const machine = insideMachine(home);
    home.write(".boto", "[Boto]\ndebug = 0\n");
    expect(await checkBoto(machine)).toMatchObject([{ level: "ok" }]);
    const own = home.write(".boto", `[Credentials]\naws_access_key_id = ${SECRET}\n`);
    const system = home.write("boto.cfg", `[Credentials]\naws_secret_access_key = ${SECRET}\n`);
    const found = await checkBoto(machine);
    expect(found.map(({ fix }) => fix)).toEqual([`rm ${system}`, `rm ${own}`]);
    expect(JSON.stringify(found)).not.toContain(SECRET);
  });
});

test("IMDS is named where it is not switched off and can be reached, and not knocked at where it is off", async () => {
  using home = new Home();
  const knocked: string[] = [];
  const canReach = (host: string, port: number) => {
    knocked.push(`${host}:${port}`);
    return Promise.resolve(true);
  };
  const machine = insideMachine(home);
  const reachable = { ...machine, probes: { ...machine.probes, canReach } };
  expect(await checkMetadata(machine)).toMatchObject([{ level: "ok" }]);
  const off = { ...reachable, environment: { AWS_EC2_METADATA_DISABLED: "True" } };
  expect(await checkMetadata(off)).toMatchObject([{ level: "ok" }]);
  expect(knocked).toEqual([]);
  expect(await checkMetadata(reachable)).toMatchObject([
    { level: "problem", fix: "export AWS_EC2_METADATA_DISABLED=true" },
  ]);
  expect(knocked).toEqual(["169.254.169.254:80"]);
});
