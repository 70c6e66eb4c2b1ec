// elhaz's rows that need no daemon: invocation, options, files, the schema, `config`.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../../cli/fakes/person.ts";
import type { Side } from "./pair.ts";
import { fixed, more, onPurpose, type Row, same } from "./row.ts";

const STATUSES = "src/DESIGN.md#errors: each kind of failure has an exit status of its own";

/** Every parameter that the schema has, as it is read back. */
const ROLE = `  RoleSessionName: me
  PolicyArns: ['arn:aws:iam::aws:policy/ReadOnlyAccess']
  Policy: '{}'
  DurationSeconds: 900
  ExternalId: id-1
  SerialNumber: GAHT12345678
  TokenCode: '089123'
  Tags: [{Key: team, Value: blue}]
  TransitiveTagKeys: [team]
  SourceIdentity: ada
  ProvidedContexts: [{ProviderArn: 'arn:aws:iam::aws:contextProvider/X', ContextAssertion: abcd}]
`;
const STS = `  api_version: '2011-06-15'
  use_ssl: true
  verify: false
  aws_access_key_id: A
  aws_secret_access_key: B
  aws_session_token: C
  aws_account_id: '012345678901'
MFA: {command: [echo, '123456'], timeout: 5}
Session: {region_name: eu-west-1, profile_name: work, aws_account_id: '012345678901'}
Meta: {description: text}
`;

const SECTIONS: Readonly<Record<string, unknown>> = {
  AssumeRole: {
    RoleArn: "arn:aws:iam::111122223333:role/full",
    RoleSessionName: "me",
    PolicyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    Policy: "{}",
    DurationSeconds: 900,
    ExternalId: "id-1",
    SerialNumber: "GAHT12345678",
    TokenCode: "089123",
    Tags: [{ Key: "team", Value: "blue" }],
    TransitiveTagKeys: ["team"],
    SourceIdentity: "ada",
    ProvidedContexts: [{ ProviderArn: "arn:aws:iam::aws:contextProvider/X", ContextAssertion: "abcd" }],
  },
  STS: {
    region_name: "eu-west-1",
    api_version: "2011-06-15",
    use_ssl: true,
    verify: false,
    aws_access_key_id: "A",
    aws_secret_access_key: "B",
    aws_session_token: "C",
    aws_account_id: "012345678901",
  },
  MFA: { command: ["echo", "123456"], timeout: 5 },
  Session: { region_name: "eu-west-1", profile_name: "work", aws_account_id: "012345678901" },
};

const OBSCURED: readonly string[] = [
  "ExternalId",
  "PolicyArns",
  "RoleArn",
  "SerialNumber",
  "TokenCode",
  "aws_access_key_id",
  "aws_account_id",
  "aws_account_id",
  "aws_secret_access_key",
  "aws_session_token",
].toSorted();

const get = async (side: Side, name: string): Promise<Record<string, unknown>> =>
  JSON.parse((await side.run(`config get -n ${name}`)).stdout) as Record<string, unknown>;
const lines = (text: string) => text.trimEnd().split("\n");
const hasTrace = (text: string) => text.includes("Traceback");

/** What a person in a terminal comes to: waits for a text, types, and is told the exit status. */
async function converse(side: Side, words: string, ...steps: [text: string, keys: string][]): Promise<number> {
  await using person = new Person([side.program, ...words.split(" ")], side.environment);
  for (const [text, keys] of steps) await person.answers(text, keys);
  return await person.exit();
}

export const quiet: readonly Row[] = [
  same("E-003", "no words: help, exit 2", [2, true], async (side) => {
    const { exit, stdout, stderr } = await side.run("");
    return [exit, /usage/i.test(stdout + stderr)];
  }),
  fixed("E-004", "-h is help everywhere", [2, 2], [0, 0], async (side) => [
    (await side.run("config list -h")).exit,
    (await side.run("daemon logs -h")).exit,
  ]),
  fixed("E-005", "--version", 2, 0, async (side) => (await side.run("--version")).exit),
  more("E-007", "options of all commands behind the command", 2, 0, async (side) => {
    return (await side.run(`config list --config-dir ${side.configs}`)).exit;
  }),
  same("E-009", "mistakes of usage: exit 2, nothing on stdout", [2, 2, 2, ""], async (side) => {
    const [command, option, value] = [
      await side.run("bogus"),
      await side.run("config list --bogus"),
      await side.run("export -n dev -f xml"),
    ];
    return [command.exit, option.exit, value.exit, command.stdout + option.stdout + value.stdout];
  }),
  onPurpose("E-010", "errors at run time: on stderr", STATUSES, [1, "Error:"], [4, "keyhole: error:"], async (side) => {
    const { exit, stderr } = await side.run("config remove -n nope");
    return [exit, /^(?:keyhole: error:|Error:)/.exec(stderr)?.[0]];
  }),
  fixed("E-012", "a bad name is one line, no stack", true, false, async (side) => {
    return hasTrace((await side.run("config get -n a.b")).stderr);
  }),
  fixed("E-013", "Ctrl-C in a question", 0, 130, (side) => {
    const question = side.name === "elhaz" ? "Config name" : "Name of the config";
    return converse(side, "config add", [question, "\u0003"]);
  }),
  fixed("E-014", "a question without a terminal says what is missing", [1, false], [2, true], async (side) => {
    const { exit, stderr } = await side.run("config get");
    return [exit, stderr.includes("-n NAME is missing")];
  }),
  same("E-015", "a name that is left out is chosen from a list", 0, (side) => {
    return converse(side, "config get", [side.name === "elhaz" ? "Select a config" : "Which one?", "\r"]);
  }),
  more("E-016", "a variable for each option", ["dev"], [""], async (side) => {
    const variable = `${side.name.toUpperCase()}_CONFIG_DIR`;
    const { stdout } = await side.run("config list", { env: { [variable]: "/nonexistent/directory" } });
    return lines(stdout).filter((name) => name === "dev" || name === "");
  }),
  fixed("E-024", "a cache of size 0 is a mistake of usage", [1, true], [2, false], async (side) => {
    const { exit, stderr } = await side.run("-mdcs 0 daemon status");
    return [exit, hasTrace(stderr)];
  }),
  same("E-026", "only .yaml is a config", false, async (side) => {
    writeFileSync(join(side.configs, "other.yml"), "");
    return lines((await side.run("config list")).stdout).includes("other");
  }),
  same("E-030", "one file for each config, named after it", [true, true], async (side) => {
    side.write("second");
    const names = lines((await side.run("config list")).stdout);
    return [names.includes("dev"), names.includes("second")];
  }),
  onPurpose(
    ...(["E-031", "names: letters, digits, - and _, here ASCII's", "src/help/elhaz.md"] as const),
    [1, 0],
    [2, 2],
    async (side) => {
      side.write("größe");
      const words = (name: string) => side.runWords(["config", "get", "-n", name]);
      return [(await words("a b")).exit, (await words("größe")).exit];
    },
  ),
  same("E-032", "a strict schema, which takes '3_600' and yes", [1, 3600, true], async (side) => {
    side.write("strange", "  Colour: blue\n");
    side.write("loose", "  DurationSeconds: '3_600'\n", "  use_ssl: yes\n");
    const loose = await get(side, "loose");
    const part = (section: string) => loose[section] as Record<string, unknown>;
    const { exit } = await side.run("config get -n strange");
    return [exit, part("AssumeRole")["DurationSeconds"], part("STS")["use_ssl"]];
  }),
  ...(["E-033", "E-036", "E-037", "E-040"] as const).map((id, index) => {
    const section = ["AssumeRole", "STS", "MFA", "Session"][index]!;
    return same(id, `all keys of ${section}`, SECTIONS[section], async (side) => {
      side.write("full", ROLE, STS);
      const { endpoint_url: _, ...rest } = (await get(side, "full"))[section] as Record<string, unknown>;
      return rest;
    });
  }),
  same("E-043", "Meta.description is kept", { description: "text" }, async (side) => {
    side.write("full", ROLE, STS);
    return (await get(side, "full"))["Meta"];
  }),
  more("E-050", "config add without a terminal", 1, 0, async (side) => {
    return (await side.run("config add -n new --role-arn arn:aws:iam::111122223333:role/new", { stdin: "" })).exit > 0
      ? 1
      : 0;
  }),
  fixed("E-052", "an editor that saves nothing good leaves no config behind", true, false, async (side) => {
    const editor = join(side.home, "editor");
    writeFileSync(editor, "#!/bin/sh\nexit 0\n");
    chmodSync(editor, 0o755);
    await using person = new Person(
      [side.program, "config", "add", "-n", "edited", ...(side.name === "elhaz" ? [] : ["--editor"])],
      { ...side.environment, EDITOR: editor },
    );
    if (side.name === "elhaz") await person.answers("interactively?", "n");
    await person.exit();
    return existsSync(join(side.configs, "edited.yaml"));
  }),
  same("E-055", "config list: names, sorted, one on a line; none is a success", [true, 0, 0], async (side) => {
    const { exit, stdout } = await side.run("config list");
    const names = lines(stdout);
    const empty = join(side.home, "empty");
    mkdirSync(empty, { recursive: true });
    return [names.join() === names.toSorted().join(), exit, (await side.run(`-cd ${empty} config list`)).exit];
  }),
  same("E-056", "config get: JSON, indented by 2, without colours in a pipe", '{\n  "AssumeRole": {', async (side) => {
    return (await side.run("config get -n dev")).stdout.slice(0, 19);
  }),
  same("E-057", "--obscure hides the same keys", OBSCURED, async (side) => {
    side.write("full", ROLE, STS);
    const shown = JSON.parse((await side.run("config get -n full -o")).stdout) as Record<string, object>;
    return Object.values(shown)
      .flatMap(Object.entries)
      .flatMap(([key, value]) => (value === "***" ? [key] : []))
      .toSorted();
  }),
  same("E-061", "config meta: none is a success", [0, { description: "text" }], async (side) => {
    side.write("full", ROLE, STS);
    const { stdout } = await side.run("config meta -n full");
    return [(await side.run("config meta -n dev")).exit, JSON.parse(stdout)];
  }),
  more("E-062", "config remove without a terminal, by --yes", 2, 0, async (side) => {
    side.write("gone");
    return (await side.run("config remove -n gone --yes")).exit;
  }),
  more("E-063", "config rename", 2, 0, async (side) => {
    side.write("before");
    return (await side.run("config rename before after")).exit;
  }),
];
