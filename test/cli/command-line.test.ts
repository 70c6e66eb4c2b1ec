import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { type ArgDef, type ArgsDef, findCommand, parseArguments, splitRest } from "../../src/arguments.ts";
import { type AnyCommand, type CommandGroup, commonOptions } from "../../src/cli/command.ts";
import { renderHelp } from "../../src/cli/help.ts";
import { root } from "../../src/cli/table.ts";
import { keyhole } from "./fakes/world.ts";

const HOME = { HOME: "/home/a" };

/** Every command and group with its words, in the order of the table. */
async function everything(group: CommandGroup, path: string): Promise<[string, AnyCommand | CommandGroup][]> {
  const found: [string, AnyCommand | CommandGroup][] = [[path, group]];
  for (const [name, entry] of Object.entries(group.subCommands)) {
    const words = `${path} ${name}`.trim();
    if (typeof entry === "function") found.push([words, await entry()]);
    else found.push(...(await everything(entry, words)));
  }
  return found;
}

/** The command lines of keyhole that a shell makes of a line, their words separated by NUL; it finds no other program. */
async function wordsOf(line: string): Promise<string[]> {
  const shell = Bun.spawn(["/bin/sh", "-c", `keyhole() { printf '%s\\0' "$@" >&3; printf '\\n' >&3; }; ${line}`], {
    env: { PATH: "/nowhere", HOME: "/home/a" },
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const said = await Bun.file(shell.stdio[3] as number).text();
  return said.split("\0\n").slice(0, -1);
}

const all = await everything(root, "");
const commands = all.filter((pair): pair is [string, AnyCommand] => "run" in pair[1]);

describe("help", () => {
  test.each(all)(
    "of '%s' is asked for with -h or --help, stands on stdout, and is a success",
    async (words, target) => {
      const help = await renderHelp(target);
      for (const option of ["-h", "--help"]) {
        const result = await keyhole([...words.split(" ").filter(Boolean), option]);
        expect(result).toEqual({ exit: 0, stdout: `${help}\n`, stderr: "", questions: [] });
      }
    },
  );

  test.each(all)("of '%s' reads as it was last read and found good", async (_, target) => {
    expect(await renderHelp(target)).toMatchSnapshot();
  });

  test("has no colours, no trailing blanks and at most 80 columns, whatever the terminal", async () => {
    for (const [, target] of all) {
      const help = await renderHelp(target);
      expect(help).not.toMatch(/\p{Cc}\[|[ \t]$/mu);
      expect(help.split("\n").filter((line) => Bun.stringWidth(line) > 80)).toEqual([]);
    }
  });

  test.each(commands)("of '%s' has examples of it, which it understands", async (words, { args, examples, rest }) => {
    for (const example of examples) {
      const [typed = "", ...others] = await wordsOf(example);
      expect([example, others]).toEqual([example, []]);
      const { own, rest: program } = splitRest(typed.split("\0"));
      const found = findCommand(root, own, commonOptions);
      expect([example, found.name]).toEqual([example, words]);
      parseArguments(found.words, { ...(args as ArgsDef), ...commonOptions });
      expect([example, program === undefined]).toEqual([example, rest !== true && !example.includes(" -- ")]);
    }
  });

  test.each(["", "daemon"])(
    "of the group '%s' follows on stderr, with exit 2, where the command is missing",
    async (words) => {
      const result = await keyhole(words.split(" ").filter(Boolean));
      expect(result.exit).toBe(2);
      expect(result.stdout).toBe("");
      expect(result.stderr).toContain("USAGE");
    },
  );

  test.each(["daemon", "config add"])("of '%s' is also asked for by the word help", async (words) => {
    const path = words.split(" ").filter(Boolean);
    expect(await keyhole(["help", ...path])).toEqual(await keyhole([...path, "--help"]));
  });

  test("wins over mistakes in other options, and behind -- it is the child's", async () => {
    expect((await keyhole(["export", "--bogus", "--help"])).exit).toBe(0);
    const result = await keyhole(["daemon", "start", "--", "--help"], { environment: HOME });
    expect(result.exit).toBe(2);
  });
});

const repository = join(import.meta.dir, "..", "..");
const documents = ["README.md", ...new Glob("src/help/*.md").scanSync(repository)].toSorted();

/** The lines of a document's ```sh blocks that run keyhole, whole: what the end-to-end tests do not run. */
function linesOf(document: string): string[] {
  const blocks = readFileSync(join(repository, document), "utf8").matchAll(/^```sh\n([\s\S]*?)^```$/gm);
  const lines = [...blocks].flatMap(([, block]) => block!.replaceAll(/\\\n\s*/g, "").split("\n"));
  return lines.filter((line) => /^(?:sudo )?(?:\/run\/keyhole\/)?keyhole [a-z]/.test(line));
}

test.each(documents.filter((document) => linesOf(document).length > 0))(
  "the command lines of %s are understood",
  async (document) => {
    for (const line of linesOf(document)) {
      const [typed = ""] = await wordsOf(line.replace(/^(?:sudo )?(?:\/run\/keyhole\/)?/, ""));
      const { own, rest } = splitRest(typed.split("\0"));
      const { target, words } = findCommand(root, own, commonOptions);
      const command = typeof target === "function" ? await target() : undefined;
      expect([line, command?.meta.name]).toEqual([line, expect.any(String)]);
      parseArguments(words, { ...(command!.args as ArgsDef), ...commonOptions });
      expect([line, rest !== undefined && command!.rest === undefined]).toEqual([line, false]);
    }
  },
);

describe("every command", () => {
  test.each(commands)("'%s' is named as it is typed, and described in one line without a period", (words, command) => {
    expect(command.meta.name).toBe(words);
    for (const { description } of [command.meta, ...Object.values(command.args as Record<string, ArgDef>)]) {
      expect(description).toMatch(/^[A-Z*].*[^.\n]$/);
      expect(description).not.toContain("\n");
    }
  });

  test.each(commands)("'%s' has no option that means two things", (_, command) => {
    const defs: Record<string, ArgDef> = { ...(command.args as Record<string, ArgDef>), ...commonOptions };
    const names = Object.entries(defs).flatMap(([name, def]) =>
      def.type === "positional" ? [] : [`--${name}`, ...[def.alias ?? []].flat().map((alias) => `-${alias}`)],
    );
    expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
    for (const name of Object.keys(command.args as object)) expect(Object.keys(commonOptions)).not.toContain(name);
  });

  test.each(commands)("'%s' refuses an unknown option before anything happens", async (words) => {
    const result = await keyhole([...words.split(" "), "--no-such-option"]);
    expect(result).toEqual({
      exit: 2,
      stdout: "",
      stderr: `keyhole: error: unknown option --no-such-option\nkeyhole: hint: keyhole ${words} --help\n`,
      questions: [],
    });
  });

  test.each(commands.filter(([, command]) => "name" in command.args))(
    "'%s' without a name says so where nobody can be asked",
    async (words) => {
      // `exec` wants its command first, `remove` its daemon, and `validate` takes all configs.
      if (["exec", "daemon remove", "config validate"].includes(words)) return;
      const result = await keyhole(words.split(" "), { environment: HOME });
      expect(result.exit).toBe(2);
      expect(result.stderr).toContain("missing");
    },
  );
});

test.each([
  ["config get dev", "config get -n dev"],
  ["config show dev", "config get -n dev"],
  ["--config-dir /x config ls --json", "config list --config-dir /x --json"],
  ["config edit dev --help", "config update --help"],
  ["help status", "daemon status --help"],
  ["version --json", "--version --json"],
  ["list -l -sp /no/sock", "daemon list -l -sp /no/sock"],
])("%j is %j", async (words, same) => {
  const result = await keyhole(words.split(" "), { environment: HOME });
  expect(result).toEqual(await keyhole(same.split(" "), { environment: HOME }));
  expect(result.stderr).not.toContain("unknown");
});

describe("a mistake is one error line and one hint line", () => {
  test.each([
    ["an unknown command", ["exprot"], "unknown command exprot, did you mean export", "keyhole --help"],
    [
      "an unknown command of a group",
      ["daemon", "strat"],
      "unknown command daemon strat, did you mean start",
      "keyhole daemon --help",
    ],
    ["a property of every object", ["constructor"], "unknown command constructor", "keyhole --help"],
    [
      "an own option before the command",
      ["-n", "a", "export"],
      "unknown option -n before the command",
      "keyhole --help",
    ],
    ["an unknown option alone", ["--bogus"], "unknown option --bogus", "keyhole --help"],
    [
      "a command without its group",
      ["start"],
      "unknown command start, did you mean daemon start",
      "keyhole daemon start",
    ],
    [
      "a command of several groups without its group",
      ["add"],
      "unknown command add, did you mean daemon add or config add or grant add",
      "keyhole --help",
    ],
    ["a misspelt alias", ["stauts"], "unknown command stauts, did you mean status", "keyhole --help"],
    [
      "a misspelt alias of a group",
      ["config", "shwo"],
      "unknown command config shwo, did you mean show",
      "keyhole config --help",
    ],
    ["-v", ["-v"], "unknown option -v, did you mean --version", "keyhole --version"],
    [
      "another program's -p",
      ["exec", "-p", "my dev", "--", "aws", "s3", "ls"],
      "unknown option -p, did you mean --profile",
      "keyhole exec --profile 'my dev' -- aws s3 ls",
    ],
    [
      "another program's option with its value behind =",
      ["config", "add", "dev", "--role=arn:aws:iam::1:role/a"],
      "unknown option --role, did you mean --role-arn",
      "keyhole config add dev --role-arn=arn:aws:iam::1:role/a",
    ],
    ["NAME and -n", ["export", "dev", "-n", "prod"], "NAME is given twice: dev, and by -n", "keyhole export --help"],
    [
      "NAME and --profile",
      ["export", "dev", "--profile", "p"],
      "--profile excludes NAME",
      "aws configure list-profiles",
    ],
    ["two NAMEs", ["config", "get", "dev", "prod"], "unexpected argument prod", "keyhole config get --help"],
    [
      "exec NAME with its command without --",
      ["exec", "no-program", "--refresh", "aws", "s3", "ls", "--recursive"],
      "the program to run and its arguments come after --",
      "keyhole exec no-program --refresh -- aws s3 ls --recursive",
    ],
    [
      "exec without a name and without --",
      ["exec", "sh", "-c", "true"],
      "the program to run and its arguments come after --",
      "keyhole exec NAME -- sh -c true",
    ],
    ["exec NAME alone", ["exec", "no-program"], "no command is given", "keyhole exec -n no-program -- COMMAND"],
    ["a bad setting", ["-ct", "x", "daemon", "status"], "-ct", undefined],
    [
      "something behind --",
      ["daemon", "status", "--", "x"],
      "keyhole daemon status takes no arguments after --",
      "keyhole daemon status --help",
    ],
    ["exec without a command", ["exec", "-n", "a"], "no command is given", "keyhole exec -n a -- COMMAND"],
    ["exec with an empty command", ["exec", "-n", "a", "--"], "no command is given", "keyhole exec -n a -- COMMAND"],
    [
      "exec with its command before -- (E-098)",
      ["-sp", "/s", "exec", "-n", "a", "echo", "-n", "it's"],
      "the program to run and its arguments come after --",
      String.raw`keyhole exec -sp /s -n a -- echo -n 'it'\''s'`,
    ],
    [
      "the beginning of an option, before the command (A-002)",
      ["--socket", "/x", "daemon", "status"],
      "unknown option --socket before the command, did you mean --socket-path",
      "keyhole --help",
    ],
    [
      "elhaz's -h of daemon logs (E-078)",
      ["daemon", "logs", "-h", "3"],
      "-h prints the help and takes no number; the first lines are --head",
      "keyhole daemon logs --head 3",
    ],
    [
      "typer's options for completion (E-006)",
      ["--install-completion"],
      "--install-completion is the command completion, which prints the script",
      "keyhole completion bash",
    ],
    [
      "a name that is a path",
      ["export", "-n", "../../x"],
      "a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _",
      "keyhole config list",
    ],
    [
      "an empty name",
      ["export", "--name="],
      "a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _",
      "keyhole config list",
    ],
    [
      "an unknown shell",
      ["completion", "tcsh"],
      "SHELL must be one of bash, zsh, fish, powershell",
      "keyhole completion bash",
    ],
  ] as const)("%s", async (_, words, message, hint) => {
    const result = await keyhole(words, { environment: { ...HOME, PATH: "/usr/bin:/bin" } });
    expect(result.exit).toBe(2);
    expect(result.stdout).toBe("");
    if (hint === undefined) expect(result.stderr).toStartWith("keyhole: error: --client-timeout must be");
    else expect(result.stderr).toBe(`keyhole: error: ${message}\nkeyhole: hint: ${hint}\n`);
  });
});

test("settings may stand before, between and behind the command words", async () => {
  for (const words of [
    ["-sp", "/nowhere/s.sock", "daemon", "status", "--json"],
    ["daemon", "-sp", "/nowhere/s.sock", "status", "--json"],
    ["daemon", "status", "--json", "--socket-path=/nowhere/s.sock"],
  ]) {
    const result = await keyhole(words, { environment: HOME });
    expect(result.exit).toBe(3);
    expect(JSON.parse(result.stdout)).toMatchObject({ running: false, socket: "/nowhere/s.sock" });
  }
});

test("the version is one line, and with --json what was built from what for what", async () => {
  const plain = await keyhole(["--version"]);
  expect(plain.exit).toBe(0);
  expect(plain.stdout).toMatch(/^keyhole \S+\n$/);
  const { stdout } = await keyhole(["--version", "--json"]);
  expect(Object.keys(JSON.parse(stdout) as object)).toEqual(["version", "commit", "target"]);
  expect((await keyhole(["export", "--version"])).stdout).toBe(plain.stdout);
});

test("without HOME the error says what to set", async () => {
  const result = await keyhole(["daemon", "status"]);
  expect(result.exit).toBe(2);
  expect(result.stderr).toContain("KEYHOLE_HOME");
});
