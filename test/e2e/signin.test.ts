// Sign-ins that end and begin again, by the compiled executable: one renewal for all, and no pause after a new one.
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeWorld, type World } from "./awsworld.ts";

const SESSION = `[sso-session corp]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = eu-west-1
`;
const CACHE = ".aws/sso/cache";
const FILE = `${new Bun.CryptoHasher("sha1").update("corp").digest("hex")}.json`;

function profiles(count: number): string {
  const each = Array.from(
    { length: count },
    (_, index) =>
      `[profile p${index}]\nsso_session = corp\nsso_account_id = 11111111111${index}\nsso_role_name = Dev\nregion = eu-west-1\n`,
  );
  return SESSION + each.join("");
}

function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+/, "");
}

/** What `aws sso login` leaves. @param end seconds from now */
function putToken({ machine }: World, end: number, refreshToken: string, accessToken = "old"): void {
  const token = {
    startUrl: "https://d-1234567890.awsapps.com/start",
    region: "eu-west-1",
    accessToken,
    expiresAt: inSeconds(end),
    clientId: "client",
    clientSecret: "canary-client",
    registrationExpiresAt: inSeconds(86_400),
    refreshToken,
  };
  writeFileSync(join(machine.home, CACHE, FILE), JSON.stringify(token), { mode: 0o600 });
}

function counted({ aws }: World, action: string): number {
  return aws.questions.filter((question) => question.action === action).length;
}

test("ten roles of one sign-in that is over renew it once, and what they write is the AWS CLI's", async () => {
  await using world = await makeWorld(profiles(10));
  const { machine, aws } = world;
  putToken(world, -60, "canary-refresh");
  aws.intercept = async ({ action }) => {
    if (action === "CreateToken") await Bun.sleep(1_000);
    return undefined;
  };
  await world.run(["daemon", "start"]);
  const all = Array.from({ length: 10 }, (_, index) => world.run(["export", "--profile", `p${index}`]));
  for (const { exitCode, stderr } of await Promise.all(all))
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(counted(world, "CreateToken")).toBe(1);
  expect(counted(world, "GetRoleCredentials")).toBe(10);
  const path = join(machine.home, CACHE, FILE);
  const written = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
  expect(written).toMatchObject({
    startUrl: "https://d-1234567890.awsapps.com/start",
    region: "eu-west-1",
    accessToken: "fresh-canary-refresh",
    clientId: "client",
    clientSecret: "canary-client",
    refreshToken: "canary-refresh+",
  });
  expect(Object.keys(written).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
    "accessToken",
    "clientId",
    "clientSecret",
    "expiresAt",
    "refreshToken",
    "region",
    "registrationExpiresAt",
    "startUrl",
  ]);
  expect(Date.parse(written["expiresAt"]!)).toBeGreaterThan(Date.now() + 3_600_000);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(machine.home, CACHE)).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([FILE, `${FILE}.lock`]);
  expect(JSON.stringify(machine.log())).not.toContain("canary");
  // The AWS CLI goes on from there.
  if (Bun.which("aws", { PATH: machine.environment["PATH"]! }) === null) return;
  const cli = Bun.spawn(["aws", "--profile", "p3", "sts", "get-caller-identity"], {
    env: {
      ...machine.environment,
      HTTPS_PROXY: aws.proxy,
      AWS_CA_BUNDLE: join(machine.home, "ca.pem"),
      AWS_ACCESS_KEY_ID: "",
      AWS_SECRET_ACCESS_KEY: "",
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await new Response(cli.stdout).text()).toContain("sso:111111111113/Dev<-fresh-canary-refresh");
  expect(counted(world, "CreateToken")).toBe(1);
}, 60_000);

test("a renewed sign-in is kept where what comes after it never answers", async () => {
  await using world = await makeWorld(profiles(1));
  const { machine, aws } = world;
  putToken(world, -60, "canary-refresh");
  const hangs = Promise.withResolvers<undefined>();
  aws.intercept = async ({ action }) => (action === "GetRoleCredentials" ? hangs.promise : undefined);
  try {
    expect(await world.run(["export", "--profile", "p0"])).not.toMatchObject({ exitCode: 0 });
    expect(counted(world, "CreateToken")).toBe(1);
    const cached = JSON.parse(readFileSync(join(machine.home, CACHE, FILE), "utf8")) as Record<string, string>;
    expect(cached).toMatchObject({ accessToken: "fresh-canary-refresh", refreshToken: "canary-refresh+" });
  } finally {
    hangs.resolve(undefined);
  }
  aws.intercept = undefined;
  putToken(world, -60, "another");
  await world.run(["daemon", "restart"]);
  expect(await world.run(["export", "--profile", "p0"])).toMatchObject({ exitCode: 0 });
  // What the process left that was killed had the sign-in in it.
  const left = readdirSync(join(machine.home, CACHE)).toSorted((a, b) => (a < b ? -1 : 1));
  expect(left).toEqual([FILE, `${FILE}.lock`]);
}, 90_000);

test("a refresh that is refused is asked for once by all who wait, and leaves the sign-in as it is", async () => {
  await using world = await makeWorld(profiles(4));
  const { machine, aws } = world;
  putToken(world, -60, "spent");
  const before = readFileSync(join(machine.home, CACHE, FILE), "utf8");
  aws.intercept = async ({ action }) => {
    if (action !== "CreateToken") return undefined;
    await Bun.sleep(500);
    return Response.json(
      { error: "invalid_grant", error_description: "no" },
      { status: 400, headers: { "x-amzn-errortype": "InvalidGrantException" } },
    );
  };
  await world.run(["daemon", "start"]);
  const all = Array.from({ length: 4 }, (_, index) => world.run(["export", "--profile", `p${index}`]));
  for (const { exitCode, stderr } of await Promise.all(all)) {
    expect(exitCode).toBe(5);
    expect(stderr).toMatch(/profile 'p\d' has no valid sign-in\nkeyhole: hint: aws sso login --profile p\d\n$/);
  }
  expect(counted(world, "CreateToken")).toBe(1);
  expect(readFileSync(join(machine.home, CACHE, FILE), "utf8")).toBe(before);
}, 60_000);

test("what is remembered of a sign-in that was over ends with the new one, at once", async () => {
  await using world = await makeWorld(profiles(1));
  const { machine } = world;
  const format = ["export", "-f", "credential-process", "--profile", "p0"];
  const path = join(machine.home, CACHE, FILE);
  writeFileSync(path, JSON.stringify({ accessToken: "old", expiresAt: new Date(Date.now() - 60_000).toISOString() }));
  // Some failures more: each makes the pause longer that is to be skipped.
  for (let count = 0; count < 3; count += 1) expect((await world.run(format)).exitCode).toBe(5);
  putToken(world, 3_600, "r", "good");
  const { exitCode, stdout, stderr } = await world.run(format);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({ AccessKeyId: "ASIA0000000000000001" });
});

test("a profile that is mended counts at once", async () => {
  await using world = await makeWorld("[profile late]\nregion = eu-west-1\n");
  const format = ["export", "-f", "credential-process", "--profile", "late"];
  expect((await world.run(format)).exitCode).toBe(5);
  const keys = "aws_access_key_id = AKIALATE000000000000\naws_secret_access_key = s\n";
  writeFileSync(join(world.machine.home, ".aws/config"), `[profile late]\nregion = eu-west-1\n${keys}`);
  expect(await world.run(format)).toMatchObject({ exitCode: 0, stderr: "" });
});

/** Stands for the AWS CLI: says how it was called, and leaves a new sign-in. */
function putFakeAws({ machine }: World): string {
  const bin = join(machine.home, "bin");
  mkdirSync(bin);
  const script = `#!/bin/sh
echo "aws $*, file \${AWS_CONFIG_FILE:-none}"
[ -e ${machine.home}/new.json ] && mv ${machine.home}/new.json ${machine.home}/${CACHE}/${FILE} || exit 3
`;
  writeFileSync(join(bin, "aws"), script, { mode: 0o755 });
  return `${bin}:${machine.environment["PATH"]!}`;
}

test("login runs the AWS CLI on this terminal, and what failed goes on at once", async () => {
  const role = "[profile top]\nrole_arn = arn:aws:iam::123456789012:role/top\nsource_profile = p0\nmfa_serial = m\n";
  await using world = await makeWorld(
    `${profiles(1)}${role}[profile keys]\naws_access_key_id = A\naws_secret_access_key = s\n`,
  );
  const { machine } = world;
  const path = join(machine.home, CACHE, FILE);
  writeFileSync(path, JSON.stringify({ accessToken: "old", expiresAt: inSeconds(-60) }));
  const PATH = putFakeAws(world);
  await world.run(["config", "add", "-n", "me", "--set", "Session.profile_name=p0"]);
  expect((await world.run(["export", "-n", "me"])).exitCode).toBe(5);
  const failed = await world.run(["login", "top"], { PATH });
  expect(failed).toMatchObject({ exitCode: 3, stdout: "aws sso login --profile p0, file none\n", stderr: "" });
  putToken(world, 3_600, "r", "good");
  renameSync(path, join(machine.home, "new.json"));
  expect(await world.run(["login", "me"], { PATH })).toMatchObject({ exitCode: 0 });
  expect(await world.run(["export", "-n", "me"])).toMatchObject({ exitCode: 0, stderr: "" });
  const assumed = "AssumeRole.RoleArn=arn:aws:iam::123456789012:role/far";
  const keys = ["Session.aws_access_key_id=A", "Session.aws_secret_access_key=s"];
  for (const [name, ...set] of [
    ["own", assumed, ...keys],
    ["on", assumed, "Source=own"],
    ["web", assumed, "WebIdentity.command=token"],
  ] as const)
    await world.run(["config", "add", "-n", name, ...set.flatMap((value) => ["--set", value])]);
  for (const [words, exitCode, message] of [
    [
      ["login", "own"],
      2,
      "config own has no sign-in to renew: its source is keys of its own\nkeyhole: hint: keyhole config show -n own\n",
    ],
    [["login", "on"], 2, "its source is keys of its own"],
    [["login", "web"], 2, "its source is a web identity\nkeyhole: hint: keyhole config show -n web\n"],
    [["login", "keys"], 2, "profile 'keys' has no sign-in to renew"],
    [["login", "nope"], 5, "there is no profile 'nope' and no config of that name"],
    [["login"], 2, "keyhole login --help"],
  ] as const)
    expect(await world.run(words, { PATH })).toMatchObject({ exitCode, stderr: expect.stringContaining(message) });
  const missing = await world.run(["login", "p0"], { PATH: "/nowhere" });
  expect(missing).toMatchObject({ exitCode: 127, stderr: expect.stringContaining("aws: command not found") });
});

test.each([
  ["that another config names", ["--set", "Source=me"], {}],
  ["of the shell, where no config names one", [], { AWS_PROFILE: "p0" }],
])("login of a config is for the profile %s", async (_, source, variables) => {
  await using world = await makeWorld(`[default]\nregion = eu-west-1\n${profiles(1)}`);
  const PATH = putFakeAws(world);
  await world.run(["config", "add", "-n", "me", "--set", "Session.profile_name=p0"]);
  const role = ["--set", "AssumeRole.RoleArn=arn:aws:iam::123456789012:role/far"];
  expect(await world.run(["config", "add", "-n", "far", ...role, ...source])).toMatchObject({ exitCode: 0 });
  expect(await world.run(["login", "far"], { PATH, ...variables })).toMatchObject({
    exitCode: 3,
    stdout: "aws sso login --profile p0, file none\n",
  });
});
