// What a person sees at 80 columns and 24 lines. The fixtures were looked at: no line wraps, and what matters is on top.
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { createMachine, executable, type Machine } from "./machine.ts";
import { Screen } from "./screen.ts";

const CONFIG = `[profile base]
region = eu-west-1
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = example
[profile prod-admin]
role_arn = arn:aws:iam::999988887777:role/Admin
source_profile = base
[profile sso]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 111122223333
sso_role_name = Dev
`;

function withProfiles({ home }: Machine): void {
  mkdirSync(`${home}/.aws`);
  writeFileSync(`${home}/.aws/config`, CONFIG);
}

/** What differs from run to run, as it is called. */
function plain(text: string, { home }: Machine): string {
  return text
    .replaceAll(home, "HOME")
    .replaceAll(/\/g\/[\w-]{22}/g, "/g/ID")
    .replaceAll(/\b(?:ASIA|AKIA)[A-Z0-9]{16}\b/g, "KEY")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replaceAll(/\b\d+ (?:h|min|s)(?: \d+ (?:min|s))?\b/g, "SPAN")
    .replaceAll(/\b\d+\.\d MiB/g, "N MiB")
    .replaceAll(/(pid|version|requests|connections|sts_\w+_ms) +\S+$/gm, "$1 N")
    .replaceAll(/keyhole-agent-\w{8}/g, "keyhole-agent-ID")
    .replaceAll(/ {2,}/g, "  ");
}

async function screenOf(machine: Machine, ...words: string[]): Promise<string> {
  await using screen = new Screen([executable, ...words], machine.environment);
  const text = await screen.end();
  return plain(text, machine);
}

test("first start", async () => {
  await using machine = await createMachine();
  expect(await screenOf(machine)).toMatchSnapshot();
});

test("config add", async () => {
  await using machine = await createMachine();
  withProfiles(machine);
  await using screen = new Screen([executable, "config", "add"], machine.environment);
  await screen.shows("Name of the config:");
  screen.type("dev\r");
  expect(await screen.shows("what this shell finds")).toMatchSnapshot();
  screen.type("adm");
  expect(await screen.shows("1 of 4")).toMatchSnapshot();
  screen.type("\r");
  await screen.shows("Role to assume");
  screen.type("arn:aws:iam::111122223333:role/dev\r");
  await screen.shows("More?");
  screen.type("y\r");
  expect(await screen.shows("43 of 43")).toMatchSnapshot();
});

test("the list, daemon status, and a grant", async () => {
  await using machine = await createMachine();
  withProfiles(machine);
  await machine.addConfig("development-eu", "Session.region_name=eu-west-1");
  await machine.addConfig("prod");
  await machine.keyhole("export -n development-eu -f env");
  expect(await screenOf(machine)).toMatchSnapshot();
  expect(await screenOf(machine, "daemon", "status")).toMatchSnapshot();
  await machine.keyhole("grant add agent --config development-eu --ttl 8h --policy read-only");
  expect(await screenOf(machine, "grant", "show", "agent")).toMatchSnapshot();
});

test("doctor says what is wrong, and counts the rest", async () => {
  await using machine = await createMachine();
  const linesOf = async (...words: string[]) => {
    await using screen = new Screen([executable, "doctor", ...words], machine.environment);
    return (await screen.end()).split("\n");
  };
  const brief = await linesOf();
  expect(brief.filter((line) => line.startsWith("ok "))).toEqual([]);
  expect(brief.at(-1)).toMatch(/^\d+ checks are ok: keyhole doctor --wide$/);
  const levels = (await linesOf("--wide")).flatMap((line) => /^(problem|warning|ok) /.exec(line)?.[1] ?? []);
  const order = ["problem", "warning", "ok"];
  expect(levels).toEqual(levels.toSorted((a, b) => order.indexOf(a) - order.indexOf(b)));
  expect(levels).toContain("ok");
});

test("a slow STS", async () => {
  await using machine = await createMachine();
  await machine.addConfig("dev", "Session.region_name=eu-west-1");
  machine.sts.faults.add({ action: "AssumeRole", hang: true });
  await using screen = new Screen([executable, "whoami", "dev"], machine.environment);
  expect(await screen.shows(/, (?!1 )\d+ s/)).toMatch(/^keyhole: waiting for STS, eu-west-1, \d+ s$/);
  machine.sts.faults.clear();
  await screen.shows('"Arn"');
  expect(screen.text).toStartWith("{");
});
