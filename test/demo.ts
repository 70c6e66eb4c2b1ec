// `npm run demo`: the main job in a few seconds, without an AWS account and without a network. An STS of our own
// stands in for AWS: it verifies every signature and counts every call.
import { createMachine, type Result, until } from "./e2e/machine.ts";

const bold = (text: string) => (Bun.enableANSIColors ? `\u001b[1m${text}\u001b[0m` : text);
const dim = (text: string) => (Bun.enableANSIColors ? `\u001b[2m${text}\u001b[0m` : text);

await using machine = await createMachine({ minDuration: 60 });
const { sts } = machine;

function say(text: string): void {
  console.log(`\n${dim(`# ${text}`)}`);
}

/** Types a command, runs it, shows what it says; long values are cut. */
async function type(command: string): Promise<string> {
  return show(`keyhole ${command}`, await machine.run(command.split(" ")), 0);
}

/** As `type`, in a sandbox that a grant's directory is mounted into. */
async function typeInside(directory: string, command: string, status = 0): Promise<void> {
  const inside = ["bwrap", "--unshare-all", "--ro-bind", directory, "/run/keyhole", "--proc", "/proc", "--dev", "/dev"];
  const result = await machine.run(command.split(" "), { under: [...inside, "--"], program: "/run/keyhole/keyhole" });
  show(`/run/keyhole/keyhole ${command}`, result, status, "sandbox$");
}

function hasSandbox(): boolean {
  if (Bun.which("bwrap") === null) return false;
  return Bun.spawnSync(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--", "/bin/true"]).exitCode === 0;
}

function show(command: string, { stdout, stderr, exitCode }: Result, status: number, prompt = "$"): string {
  console.log(`${bold(prompt)} ${bold(command)}`);
  for (const line of `${stderr}${stdout}`.trimEnd().split("\n")) {
    console.log(line.replaceAll(/(?<![/\w])[A-Za-z0-9/+=]{36,}/g, (value) => `${value.slice(0, 12)}…`));
  }
  if (exitCode !== status) throw new Error(`${command} ended with exit status ${exitCode}`);
  return stdout;
}

async function assumedKey(name: string): Promise<string> {
  const line = await machine.keyhole(`export -f credential-process -n ${name}`);
  return (JSON.parse(line) as { AccessKeyId: string }).AccessKeyId;
}

/** Whoever looks on need not be told that this is not AWS's. */
async function pointToSts(name: string): Promise<void> {
  await machine.keyhole(`config update -n ${name} --set STS.endpoint_url=${sts.url}`);
}

say("a config is a role with a name");
await type("config add -n deploy --role-arn arn:aws:iam::111122223333:role/deploy");
await pointToSts("deploy");

say("one daemon holds the credentials, in memory");
await type("daemon start");

say("50 clients at once ask for a role that nobody has assumed yet");
const clients = await Promise.all(
  Array.from({ length: 50 }, () => machine.run(["export", "-f", "credential-process", "-n", "deploy"])),
);
const keys = new Set(clients.map(({ stdout }) => (JSON.parse(stdout) as { AccessKeyId: string }).AccessKeyId));
const failed = clients.filter(({ exitCode }) => exitCode !== 0).length;
console.log(
  `${clients.length} clients, ${failed} failures, ${keys.size} set of credentials, ` +
    bold(`${sts.count("AssumeRole")} AssumeRole call`),
);

say("what every SDK and the AWS CLI read through credential_process");
await type("export -f credential-process -n deploy");

say("who AWS says that is");
await type("whoami -n deploy");

say("a program with the role in its environment, and no wrapper left behind");
await type("exec -n deploy -- printenv AWS_ACCESS_KEY_ID AWS_CREDENTIAL_EXPIRATION");

say("a grant: a directory to mount, one identity, and no way to another");
const directory = (await type("grant add agent --config deploy --ttl 8h")).trimEnd();
if (!hasSandbox()) console.log(dim("(bubblewrap is missing, or may not be used here: no sandbox is shown)"));
else {
  await typeInside(directory, "whoami");
  await typeInside(directory, "daemon list", 9);
  await type("grant revoke agent");
  await typeInside(directory, "whoami", 9);
}
await type("audit --grant agent");

say("a role whose sessions last 64 seconds: the daemon renews them before anyone would notice");
await type("config add -n short --role-arn arn:aws:iam::111122223333:role/short --set AssumeRole.DurationSeconds=64");
await pointToSts("short");
const first = await assumedKey("short");
console.log(`first credentials:   ${first}`);
await until(async () => (await assumedKey("short")) !== first);
console.log(`renewed credentials: ${await assumedKey("short")}   ${dim("nobody waited, nobody saw an expired key")}`);

say("the end");
await type("daemon stop");
const calls = Map.groupBy(sts.calls, ({ action }) => action);
for (const [action, { length }] of calls) console.log(`STS saw ${length} × ${action}`);
