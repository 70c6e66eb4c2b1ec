// Configs out of ~/.aws, and profiles of configs back into it, by the compiled executable.
import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { makeWorld, SSO } from "./awsworld.ts";
import { executable } from "./machine.ts";

const KEYS = "aws_access_key_id = AKIACANARY0000000000\naws_secret_access_key = canary-secret\n";

function manyProfiles(count: number): string {
  const roles = Array.from({ length: count }, (_, index) => {
    const role = `role_arn = arn:aws:iam::123456789012:role/r${index}\nsource_profile = base\nregion = eu-west-1\n`;
    return `[profile "team ${index}"]\n${index === 7 ? "region = eu-west-1\n" : role}`;
  });
  return roles.join("\n");
}

function filesOf(directory: string): string[] {
  const names = fs.readdirSync(directory, { recursive: true }) as string[];
  return names.toSorted((a, b) => (a < b ? -1 : 1));
}

test("200 profiles are listed by a dry run, which changes nothing, and each vends or says why not", async () => {
  await using world = await makeWorld(manyProfiles(199), `[base]\n${KEYS}`);
  const { machine } = world;
  const run = (words: readonly string[]) => world.run(words);
  const before = filesOf(machine.home);
  const dry = await run(["config", "import", "--all", "--dry-run"]);
  expect(dry).toMatchObject({ exitCode: 0, stderr: "" });
  expect(dry.stdout.trimEnd().split("\n")).toHaveLength(200);
  expect(filesOf(machine.home)).toEqual(before);
  const done = await run(["config", "import", "--all"]);
  expect(done.stdout).toBe(dry.stdout);
  const names = (await run(["config", "list"])).stdout.trimEnd().split("\n");
  expect(names).toHaveLength(199);
  expect(done.stdout).toMatch(/^team 7 +- +skipped +profile 'team 7' gives no credentials/m);
  for (const name of ["team-0", "team-198", "base"])
    expect(await run(["export", "-n", name])).toMatchObject({ exitCode: 0, stderr: "" });
  for (const name of names)
    expect(fs.readFileSync(join(machine.paths.configs, `${name}.yaml`), "utf8")).not.toMatch(/canary/i);
  expect(done.stdout).not.toMatch(/canary/i);
  const again = await run(["config", "import", "--all"]);
  expect(again.stdout.replaceAll("unchanged", "new      ")).toContain("team-0");
  expect(again.stdout.match(/ unchanged /g)).toHaveLength(199);
});

test("profiles are written between marks, twice to the same bytes, and an import makes nothing of them", async () => {
  const text = `# mine\r\n${SSO.replaceAll("\n", "\r\n")}[profile theirs]\r\nregion = x`;
  await using world = await makeWorld(text, `[base]\n${KEYS}`);
  const { machine } = world;
  const run = (words: readonly string[]) => world.run(words);
  const [path, target] = [join(machine.home, ".aws/config"), join(machine.home, "dots/aws")];
  fs.mkdirSync(join(machine.home, "dots"));
  fs.renameSync(path, target);
  fs.symlinkSync(target, path);
  fs.chmodSync(target, 0o600);
  await run(["config", "import", "--all", "--prefix", "kh-"]);
  const write = ["config", "export-profile", "--all", "--write"];
  expect(await run(write)).toMatchObject({ exitCode: 0, stderr: `wrote ${path}\n` });
  const once = fs.readFileSync(target, "utf8");
  expect(once).toStartWith(`${text}\r\n\r\n# BEGIN keyhole profiles\r\n`);
  expect(once).toEndWith(
    `[profile kh-sso-dev]\r\ncredential_process = ${executable} export --format credential-process -n kh-sso-dev\r\nregion = eu-central-1\r\n# END keyhole profiles\r\n`,
  );
  expect(once.replaceAll("\r\n", "")).not.toContain("\n");
  expect(fs.lstatSync(path).isSymbolicLink()).toBeTrue();
  expect(fs.statSync(target).mode & 0o777).toBe(0o600);
  expect(fs.readFileSync(`${target}.keyhole-backup`, "utf8")).toBe(text);
  expect(await run(write)).toMatchObject({ exitCode: 0, stderr: `${path} has them already\n` });
  const configs = fs.readdirSync(machine.paths.configs);
  const imported = await run(["config", "import", "--all", "--prefix", "kh-"]);
  expect(imported.stdout).toMatch(/^kh-sso-dev +- +skipped +it calls keyhole itself$/m);
  expect(fs.readFileSync(target, "utf8")).toBe(once);
  expect(fs.readdirSync(machine.paths.configs)).toEqual(configs);
  // They vend, each by its own name; and one of them can be taken out again.
  const vended = await run(["exec", "--profile", "kh-base", "--", "env"]);
  expect(vended.stdout).toContain("AWS_ACCESS_KEY_ID=AKIACANARY0000000000");
  await run(["config", "remove", "-n", "kh-base", "--yes"]);
  await run(["config", "export-profile", "-n", "kh-sso-dev", "--write"]);
  expect(fs.readFileSync(target, "utf8")).toStartWith(text);
  expect(fs.readFileSync(target, "utf8")).not.toContain("kh-base");
});

const role = (name: string) => `role_arn = arn:aws:iam::123456789012:role/${name}\n`;

test("a role on an exported profile becomes a Source, vends, and is the same after another export and import", async () => {
  await using world = await makeWorld(
    `[profile top]\n${role("top")}source_profile = up\n[profile up]\n${role("up")}source_profile = kh-base\nregion = eu-west-1\n[profile base]\nregion = eu-west-2\n[profile astray]\n${role("astray")}source_profile = gone\n[profile gone]\ncredential_process = keyhole export -f credential-process -n gone\n[profile long]\n${role("long")}source_profile = up\nduration_seconds = 7200\n[profile behind]\n${role("behind")}source_profile = long\n[profile short]\n${role("short")}source_profile = base\nduration_seconds = 60\n`,
    `[base]\n${KEYS}`,
  );
  const { machine, aws } = world;
  const path = join(machine.home, ".aws/config");
  await world.run(["config", "import", "--profile", "base", "--prefix", "kh-"]);
  await world.run(["config", "export-profile", "--all", "--write"]);
  const words = ["config", "import", "--all", "--prefix", "kh-"];
  const dry = await world.run([...words, "--dry-run"]);
  const done = await world.run(words);
  expect(done).toEqual(dry);
  expect(done.stdout).toMatch(/^top +kh-top +new +arn:aws:iam::123456789012:role\/top from config kh-up$/m);
  expect(done.stdout).toMatch(/^astray +- +skipped +there is no config gone, its source$/m);
  expect(done.stdout).toMatch(/^long +- +skipped +AssumeRole.DurationSeconds of config kh-long must be at most 3600/m);
  expect(done.stdout).toMatch(/^behind +- +skipped +there is no config kh-long, its source$/m);
  expect(done.stderr).toContain("DurationSeconds");
  expect(fs.readFileSync(join(machine.paths.configs, "kh-up.yaml"), "utf8")).toBe(
    "AssumeRole:\n  RoleArn: arn:aws:iam::123456789012:role/up\nSource: kh-base\nSTS:\n  region_name: eu-west-1\n",
  );
  expect(await world.run(["export", "-n", "kh-top"])).toMatchObject({ exitCode: 0, stderr: "" });
  expect(aws.questions.filter(({ action }) => action === "AssumeRole").map(({ host }) => host)).toEqual([
    "sts.eu-west-1.amazonaws.com",
    expect.stringMatching(/^sts\./),
  ]);
  const configs = () =>
    fs.readdirSync(machine.paths.configs).map((name) => fs.readFileSync(join(machine.paths.configs, name), "utf8"));
  await world.run(["config", "export-profile", "--all", "--write"]);
  const [text, before] = [fs.readFileSync(path, "utf8"), configs()];
  expect(text).toContain("[profile kh-top]");
  const again = await world.run(words);
  expect(again.stdout).toMatch(/^top +kh-top +unchanged /m);
  await world.run(["config", "export-profile", "--all", "--write"]);
  expect(fs.readFileSync(path, "utf8")).toBe(text);
  expect(configs()).toEqual(before);
});

test("a profile of the person's is not shadowed, and a file that the AWS CLI refuses is not written", async () => {
  await using world = await makeWorld("[profile a]\nregion = x\n");
  const { machine } = world;
  const run = (words: readonly string[]) => world.run(words);
  const path = join(machine.home, ".aws/config");
  for (const name of ["a", "b"]) await machine.addConfig(name);
  const shadowed = await run(["config", "export-profile", "-n", "a", "--write"]);
  expect(shadowed).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("no profile for config a: there is a profile of that name"),
  });
  for (const broken of ["\ufeff[profile a]\nregion = x\n", "[profile a]\nregion = x\nregion = y\n", "[a\n"]) {
    fs.writeFileSync(path, broken);
    const refused = await run(["config", "export-profile", "--all", "--write"]);
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("the AWS CLI refuses") });
    expect(fs.readFileSync(path, "utf8")).toBe(broken);
  }
  expect(fs.existsSync(`${path}.keyhole-backup`)).toBeFalse();
  const printed = await run(["config", "export-profile", "-n", "b"]);
  expect(printed.stdout).toEndWith(
    `[profile b]\ncredential_process = ${executable} export --format credential-process -n b\n`,
  );
});

test.each([
  [["--profile", "nope"], 5, "there is no profile 'nope'"],
  [[], 2, "one of --profile, --all and --sso-session is wanted"],
  [["--all", "--prefix", "a/b"], 2, "a config's name has"],
] as const)("config import %p is refused", async (words, exitCode, message) => {
  await using world = await makeWorld("[default]\n");
  const refused = await world.run(["config", "import", ...words]);
  expect(refused).toMatchObject({ exitCode, stdout: "", stderr: expect.stringContaining(message) });
});

test("the accounts and roles of a sign-in become profiles and configs, page by page, and again the same", async () => {
  await using world = await makeWorld(SSO);
  const { machine, aws } = world;
  const path = join(machine.home, ".aws/config");
  const before = fs.readFileSync(path, "utf8");
  aws.assignments = [
    { accountId: "222222222222", accountName: "Dev Team", roles: ["PowerUser", "Admin", "bad\n[profile x]"] },
    { accountId: "333333333333", accountName: "prod", roles: ["ReadOnly"] },
    { accountId: "444444444444", accountName: "prod", roles: ["ReadOnly"] },
  ];
  let isBusy = true;
  aws.intercept = ({ action }) => {
    if (action !== "ListAccountRoles" || !isBusy) return undefined;
    isBusy = false;
    return new Response("", { status: 429 });
  };
  const words = ["config", "import", "--sso-session", "corp", "--prefix", "s-"];
  const dry = await world.run([...words, "--dry-run"]);
  expect(dry).toMatchObject({ exitCode: 0, stderr: "" });
  expect(fs.readFileSync(path, "utf8")).toBe(before);
  expect(fs.existsSync(machine.paths.configs)).toBeFalse();
  const done = await world.run(words);
  expect(done.stdout).toBe(dry.stdout);
  expect(done.stdout.trimEnd().split("\n")).toEqual([
    expect.stringMatching(/^sso-dev +s-sso-dev +new +the profile as it is: SSO, account 222222222222, role PowerUser$/),
    expect.stringMatching(/^Dev-Team-Admin +s-Dev-Team-Admin +new /),
    expect.stringMatching(/^prod-ReadOnly +s-prod-ReadOnly +new .* account 333333333333, role ReadOnly$/),
    expect.stringMatching(/^prod-ReadOnly-444444444444 +s-prod-ReadOnly-444444444444 +new /),
  ]);
  const after = fs.readFileSync(path, "utf8");
  expect(after).toStartWith(before);
  expect(after).toContain(
    "# BEGIN keyhole sso-session corp\n[profile Dev-Team-Admin]\nsso_session = corp\nsso_account_id = 222222222222\nsso_role_name = Admin\n\n[profile prod-ReadOnly]",
  );
  const again = await world.run(words);
  expect(again.stderr).toBe("");
  expect(again.stdout.match(/ unchanged /g)).toHaveLength(4);
  expect(fs.readFileSync(path, "utf8")).toBe(after);
  expect(await world.run(["export", "-n", "s-prod-ReadOnly"])).toMatchObject({ exitCode: 0, stderr: "" });
  // The sign-in is over, or there is none.
  aws.intercept = ({ action }) => (action === "ListAccounts" ? new Response("", { status: 401 }) : undefined);
  for (const [session, message] of [
    ["corp", "sso-session 'corp' has no valid sign-in\nkeyhole: hint: aws sso login --sso-session corp\n"],
    ["nope", "there is no sso-session 'nope'"],
  ] as const) {
    const refused = await world.run(["config", "import", "--sso-session", session]);
    expect(refused).toMatchObject({ exitCode: 5, stdout: "", stderr: expect.stringContaining(message) });
  }
  expect(fs.readFileSync(path, "utf8")).toBe(after);
});
