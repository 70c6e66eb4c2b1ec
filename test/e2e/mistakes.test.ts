// What a new user gets wrong, typed as it is typed: each says in one line what is wrong and in one what to do, with the
// exit status that README has for it.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { resultOf } from "../processes.ts";
import { createMachine, executable, type Machine, roleArn } from "./machine.ts";

let machine: Machine;

beforeAll(async () => {
  machine = await createMachine();
  const { home, sts } = machine;
  mkdirSync(`${home}/.aws`);
  writeFileSync(
    `${home}/.aws/config`,
    `[profile work]
aws_access_key_id = ${sts.root.accessKeyId}
aws_secret_access_key = ${sts.root.secretAccessKey}
[profile sso]
sso_start_url = https://x.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 111122223333
sso_role_name = Admin
[profile half]
role_arn = ${roleArn("half")}
`,
  );
  for (const name of ["dev", "closed", "short", "mfa"])
    await machine.addConfig(
      name,
      ...(name === "short" ? ["AssumeRole.DurationSeconds=43200"] : []),
      ...(name === "mfa" ? ["AssumeRole.SerialNumber=arn:aws:iam::111122223333:mfa/x"] : []),
    );
  sts.roles.set(roleArn("closed"), { deny: true });
  sts.roles.set(roleArn("short"), { maxSessionDuration: 3600 });
  await machine.keyhole("grant add agent --config dev --ttl 1h");
  writeFileSync(`${home}/work/tab.yaml`, "AssumeRole:\n\tRoleArn: x\n");
  writeFileSync(`${home}/work/broken.yaml`, "AssumeRole:\n  RoleArn: [x\n");
  writeFileSync(`${home}/work/data`, "no program\n");
});
afterAll(() => machine[Symbol.asyncDispose]());

const ROLE = "arn:aws:iam::111122223333:role/dev";
const SPELLING = "a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _";
const BAD_ARN = "AssumeRole.RoleArn must be the ARN of a role, like arn:aws:iam::123456789012:role/NAME";
const DASHES = "the program to run and its arguments come after --";
const FORMATS = "json, env, credential-process, fish, powershell, windows-cmd, nushell, dotenv, sts";

const mistakes: readonly (readonly [line: string, exit: number, error: string, hint: string])[] = [
  // Commands.
  ["keyhole exprot dev", 2, "unknown command exprot, did you mean export", "keyhole --help"],
  ["keyhole stauts", 2, "unknown command stauts, did you mean status", "keyhole --help"],
  ["keyhole daemon strat", 2, "unknown command daemon strat, did you mean start", "keyhole daemon --help"],
  ["keyhole start", 2, "unknown command start, did you mean daemon start", "keyhole daemon start"],
  ["keyhole dev", 2, "unknown command dev; there is a config of that name", "keyhole exec -n dev -- COMMAND"],
  ["keyhole config rm dev", 2, "unknown command config rm, did you mean remove", "keyhole config remove --help"],
  ["keyhole config set dev A=1", 2, "unknown command config set, did you mean update", "keyhole config update --help"],
  ["keyhole grant create x", 2, "unknown command grant create, did you mean add", "keyhole grant add --help"],
  ["keyhole completion tcsh", 2, "SHELL must be one of bash, zsh, fish, powershell", "keyhole completion bash"],
  // Options and operands.
  ["keyhole --verison", 2, "unknown option --verison, did you mean --version", "keyhole --help"],
  ["keyhole -V", 2, "unknown option -V, did you mean --version", "keyhole --version"],
  ["keyhole -ct x status", 2, "--client-timeout must be seconds, above 0 and up to 3600", "keyhole --help"],
  ["keyhole export dev prod", 2, "unexpected argument prod", "keyhole export --help"],
  ["keyhole exec dev -n prod -- true", 2, "NAME is given twice: dev, and by -n", "keyhole exec --help"],
  [
    "keyhole export dev -f credential_process",
    2,
    `-f must be one of ${FORMATS}, did you mean credential-process`,
    "keyhole export --help",
  ],
  ["keyhole login -n dev", 2, "unknown option -n, did you mean PROFILE", "keyhole login dev"],
  [
    "keyhole exec -p work -- true",
    2,
    "unknown option -p, did you mean --profile",
    "keyhole exec --profile work -- true",
  ],
  [
    "keyhole exec --config dev -- true",
    2,
    "unknown option --config, did you mean --name",
    "keyhole exec --name dev -- true",
  ],
  ["keyhole run -n dev -- true", 2, "unknown option -n, did you mean --config", "keyhole run --config dev -- true"],
  // What is run.
  ["keyhole exec dev", 2, "no command is given", "keyhole exec -n dev -- COMMAND"],
  ["keyhole exec dev aws s3 ls", 2, DASHES, "keyhole exec dev -- aws s3 ls"],
  ["keyhole exec -n dev aws s3 ls --recursive", 2, DASHES, "keyhole exec -n dev -- aws s3 ls --recursive"],
  ["keyhole exec ls -l", 2, DASHES, "keyhole exec NAME -- ls -l"],
  ["keyhole exec -- true", 2, "-n NAME is missing", "keyhole config list"],
  ["keyhole exec dev -- no-such-program", 127, "no-such-program: command not found", "echo $PATH"],
  ["keyhole exec dev -- ./data", 126, "./data cannot be executed (EACCES)", "ls -l ./data"],
  // Configs.
  ["keyhole export dve", 4, "there is no config dve, did you mean dev", "keyhole config list"],
  [
    `keyhole config add dev --role-arn ${ROLE}`,
    1,
    "config dev exists; --force replaces it",
    "keyhole config update -n dev",
  ],
  [`keyhole config add 'my dev' --role-arn ${ROLE}`, 2, SPELLING, "keyhole config list"],
  [
    `keyhole config add x --role ${ROLE}`,
    2,
    "unknown option --role, did you mean --role-arn",
    `keyhole config add x --role-arn ${ROLE}`,
  ],
  ["keyhole config add x", 2, "--role-arn ARN or --from-file FILE is missing", "keyhole config add x --role-arn ARN"],
  ["keyhole config add x --role-arn dev", 1, BAD_ARN, "keyhole config add --help"],
  ["keyhole config add x --role-arn arn:aws:iam::111122223333:user/me", 1, BAD_ARN, "keyhole config add --help"],
  ["keyhole config add x --role-arn arn:aws:iam::1111:role/dev", 1, BAD_ARN, "keyhole config add --help"],
  ["keyhole config add x --from-file nope.yaml", 2, "cannot read nope.yaml (ENOENT)", "ls -l nope.yaml"],
  [
    "keyhole config add x --from-file tab.yaml",
    1,
    "tab.yaml: line 2: a tab in the indentation; use spaces",
    `\${EDITOR:-vi} tab.yaml`,
  ],
  [
    "keyhole config add x --from-file broken.yaml",
    1,
    "broken.yaml: line 3: a bracket that does not close",
    `\${EDITOR:-vi} broken.yaml`,
  ],
  [
    "keyhole config add x --from-file ~/.aws/config",
    1,
    "~/.aws/config: line 2: something that does not belong here; check the indentation",
    "keyhole config import --all --dry-run",
  ],
  [
    "keyhole config update dev",
    2,
    "--set, --unset or --from-file is missing",
    "keyhole config update -n dev --set AssumeRole.DurationSeconds=3600",
  ],
  [
    "keyhole config edit dev",
    2,
    "an editor needs a terminal",
    "keyhole config update -n dev --set AssumeRole.DurationSeconds=3600",
  ],
  [
    "keyhole config update dev --set DurationSeconds=3600",
    2,
    "--set DurationSeconds is no key here; it belongs under AssumeRole",
    "keyhole config update -n NAME --set AssumeRole.DurationSeconds=VALUE",
  ],
  [
    "keyhole config update dev --set AssumeRole.DurationSeconds=1h",
    2,
    "AssumeRole.DurationSeconds must be a whole number",
    "keyhole config update -n NAME --set AssumeRole.DurationSeconds=3600",
  ],
  [
    "keyhole config update dev --set AssumeRole.DurationSeconds=90000",
    1,
    "dev: line 3: AssumeRole.DurationSeconds must be at most 43200",
    "keyhole config update --editor -n dev",
  ],
  [
    "keyhole config update dev --set Session.profile=work",
    2,
    "--set Session.profile is no key of the schema; did you mean profile_name",
    "keyhole config update -n NAME --set Session.profile_name=VALUE",
  ],
  [
    "keyhole config update dev --set AssumeRole.Policy=policy.json",
    1,
    "dev: line 3: AssumeRole.Policy must be a JSON object",
    "keyhole config update --editor -n dev",
  ],
  [
    "keyhole config update dev --set AssumeRole.RoleArn",
    2,
    "--set needs PATH=VALUE",
    "keyhole config update -n NAME --set AssumeRole.DurationSeconds=3600",
  ],
  [
    "keyhole config update dev --unset AssumeRole.RoleArn",
    1,
    "dev: AssumeRole is required",
    "keyhole config update --editor -n dev",
  ],
  ["keyhole config remove dev", 2, "--yes is missing", "keyhole config remove --yes -n dev"],
  [
    "keyhole config import",
    2,
    "one of --profile, --all and --sso-session is wanted",
    "keyhole config import --all --dry-run",
  ],
  // Sources and AWS.
  ["keyhole exec --profile wrok -- true", 5, "there is no profile 'wrok'", "aws configure list-profiles"],
  [
    "keyhole exec --profile half -- true",
    5,
    "profile 'half' has role_arn, and neither source_profile nor credential_source",
    "aws configure list --profile half",
  ],
  ["keyhole exec --profile sso -- true", 5, "profile 'sso' has no valid sign-in", "aws sso login --profile sso"],
  ["keyhole login wrok", 5, "there is no profile 'wrok' and no config of that name", "aws configure list-profiles"],
  ["keyhole daemon remove nope", 4, "no session of config nope", "keyhole daemon list"],
  // Grants.
  ["keyhole grant add agent --config dev", 1, "grant agent exists", "keyhole grant show agent"],
  ["keyhole grant add other", 2, "--config is missing, or --profile", "keyhole grant add --help"],
  ["keyhole grant add other --config dve", 4, "there is no config dve, did you mean dev", "keyhole config list"],
  [
    "keyhole grant add other --config dev --ttl 8hours",
    2,
    "--ttl must be a span of time, like 8h, 90m, 1h30m or 3600s, of 3650d at most",
    "keyhole grant add --help",
  ],
  [
    "keyhole grant add other --config dev --ttl 5m",
    1,
    "a grant lives for 15 minutes at least: STS issues no shorter session",
    "keyhole grant add --help",
  ],
  [
    "keyhole grant add other --config dev --policy readonly",
    2,
    "--policy is neither a preset (read-only, no-escalation, pin-ip) nor a file that can be read (ENOENT)",
    "keyhole grant add --help",
  ],
  ["keyhole grant show agnet", 4, "there is no grant agnet, did you mean agent", "keyhole grant list"],
  ["keyhole grant remove agent", 2, "--yes is missing", "keyhole grant remove --yes agent"],
  ["keyhole grant confirm", 2, "grant confirm needs a terminal", "in a terminal of its own: keyhole grant confirm"],
  // The daemon.
  [
    "KEYHOLE_AUTOSTART=0 KEYHOLE_HOME=~/none keyhole export dev",
    3,
    "no daemon answers at ~/none/sock/daemon.sock (autostart is off)",
    "keyhole daemon start",
  ],
  ["KEYHOLE_HOME=~/none keyhole list", 3, "no daemon listens at ~/none/sock/daemon.sock", "keyhole daemon start"],
  [
    "keyhole daemon logs -h 3",
    2,
    "-h prints the help and takes no number; the first lines are --head",
    "keyhole daemon logs --head 3",
  ],
];

async function typed(line: string) {
  const { home, environment } = machine;
  const child = Bun.spawn(["sh", "-c", line], {
    cwd: `${home}/work`,
    env: { ...environment, PATH: `${dirname(executable)}:${environment["PATH"]}` },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const { stdout, stderr, exitCode } = await resultOf(child);
  return { stdout, stderr: stderr.replaceAll(home, "~"), exitCode };
}

test.each(mistakes)("%s", async (line, exitCode, error, hint) => {
  expect(await typed(line)).toEqual({
    stdout: "",
    stderr: `keyhole: error: ${error}\nkeyhole: hint: ${hint}\n`,
    exitCode,
  });
});

// AWS's own words, in which a part is the STS's.
test.each([
  ["keyhole whoami closed", 6, /^keyhole: error: AccessDenied: .*\nkeyhole: hint: check the role's trust policy/],
  [
    "keyhole whoami short",
    6,
    /MaxSessionDuration set for this role\.\nkeyhole: hint: lower AssumeRole\.DurationSeconds/,
  ],
  ["keyhole whoami mfa", 5, /wants the code of arn:aws:iam::111122223333:mfa\/x\nkeyhole: hint: keyhole answer \d+\n$/],
] as const)("%s", async (line, exitCode, said) => {
  const result = await typed(line);
  expect(result.stderr).toMatch(said);
  expect([result.stdout, result.exitCode]).toEqual(["", exitCode]);
});

test("keyhole --config-dir nowhere config list", async () => {
  expect(await typed("keyhole --config-dir ~/nowhere config list")).toEqual({
    stdout: "",
    stderr: "no configs found: there is no directory ~/nowhere\n",
    exitCode: 0,
  });
});
