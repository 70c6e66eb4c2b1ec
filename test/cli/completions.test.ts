import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keyhole } from "./fakes/world.ts";
import { temporaryHome } from "./fakes/daemon.ts";

async function script(shell: string): Promise<string> {
  const { stdout, exit } = await keyhole(["completion", shell], { environment: { HOME: "/nowhere" } });
  expect(exit).toBe(0);
  return stdout;
}

function writeFake(directory: string): void {
  const fake = join(directory, "keyhole");
  writeFileSync(
    fake,
    `#!/bin/sh
[ "$*" = "config list" ] && printf 'dev\\nprod\\n'
[ "$*" = "grant list --names" ] && printf '%s\\n' agent-a '$(touch "$HOME/evaluated")' '\`touch "$HOME/evaluated"\`' '*' 'a;b' agent-b
`,
  );
  chmodSync(fake, 0o700);
}

/** What bash offers for a command line whose last word is being typed; `keyhole` is a fake that knows two configs. */
async function complete(...words: string[]): Promise<string[]> {
  const home = temporaryHome();
  try {
    writeFake(home);
    const program = `${await script("bash")}
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _keyhole; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const bash = Bun.spawnSync(["bash", "-c", program, "bash", "keyhole", ...words], {
      env: { HOME: home, PATH: `${home}:/usr/bin:/bin` },
      cwd: home,
    });
    expect(bash.stderr.toString()).toBe("");
    expect(readdirSync(home)).toEqual(["keyhole"]);
    return bash.stdout.toString().split("\n").filter(Boolean);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

describe("bash", () => {
  test.each([
    ["commands", ["exp"], ["export"]],
    ["commands of a group", ["daemon", "st"], ["start", "stop", "status"]],
    ["options of a command", ["export", "--f"], ["--format"]],
    ["settings in front of a command", ["--sock"], ["--socket-path"]],
    ["commands behind settings", ["-sp", "/x", "who"], ["whoami"]],
    ["names of configs", ["export", "-n", ""], ["dev", "prod"]],
    ["names of configs by a prefix", ["exec", "--name", "p"], ["prod"]],
    ["values of an enum", ["export", "-f", "po"], ["powershell"]],
    ["names of configs for a grant", ["grant", "add", "--config", "d"], ["dev"]],
    ["names of grants", ["grant", "show", "agent"], ["agent-a", "agent-b"]],
    ["names of grants, and nothing that a shell would obey", ["audit", "--grant", ""], ["agent-a", "agent-b"]],
    ["no names for a new grant", ["grant", "add", "agent"], []],
    ["tools of recipes", ["grant", "show", "agent-a", "--for", "pod"], ["podman"]],
    ["nothing for a path, which is the shell's own business", ["--config-dir", ""], []],
    ["nothing behind --, which is the child's", ["exec", "-n", "dev", "--", "aw"], []],
  ] as const)("completes %s", async (_, words, expected) => {
    expect((await complete(...words)).toSorted()).toEqual([...expected].toSorted());
  });
});

test("fish gets each command, option and value", async () => {
  const text = await script("fish");
  for (const word of ["-a whoami", "-l format", "powershell", "(keyhole config list 2>/dev/null)", "-o sp"]) {
    expect(text).toContain(word);
  }
});

test("PowerShell gets each command, option and value (E-006)", async () => {
  const text = await script("powershell");
  expect(text).toStartWith("Register-ArgumentCompleter -Native -CommandName keyhole -ScriptBlock {");
  for (const words of [
    "'daemon logs' = @('-t', '--tail', ",
    "'export -f' = @('json', ",
    "{ keyhole config list 2>$null }",
  ]) {
    expect(text).toContain(words);
  }
});

const pwsh = Bun.which("pwsh");

test.skipIf(pwsh === null).each([
  ["keyhole who", ["whoami"]],
  ["keyhole export -f po", ["powershell"]],
  ["keyhole exec -n p", ["prod"]],
  ["keyhole grant show agent", ["agent-a", "agent-b"]],
  ["keyhole audit --grant ", ["agent-a", "agent-b"]],
])("pwsh (needs PowerShell 7) completes %j", async (line, expected) => {
  const home = temporaryHome();
  try {
    writeFake(home);
    const program = `${await script("powershell")}
      ([System.Management.Automation.CommandCompletion]::CompleteInput('${line}', ${line.length}, $null)).CompletionMatches.CompletionText`;
    const { stdout } = Bun.spawnSync([pwsh!, "-NoProfile", "-Command", program], {
      env: { HOME: home, PATH: `${home}:/usr/bin:/bin` },
    });
    expect(stdout.toString().trim().split("\n")).toEqual(expected);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

const zsh = Bun.which("zsh");

describe.skipIf(zsh === null)("zsh (needs the package zsh)", () => {
  test.each([
    ["sourced", 'autoload -Uz compinit; compinit -u -D; . "$HOME/_keyhole"'],
    ["found in fpath, from its first use on", "fpath=($HOME $fpath); autoload -Uz compinit; compinit -u -D"],
  ])(
    "completes commands and names of configs, %s",
    async (_, load) => {
      const home = temporaryHome();
      try {
        writeFake(home);
        writeFileSync(join(home, "_keyhole"), await script("zsh"));
        // A pattern that never comes is ended by the timeout.
        const program = `
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z 'PS1=; ${load}; print RE""ADY'
        zpty -r z seen '*READY*'
        zpty -w -n z $'keyhole who\\t'
        zpty -r z seen '*keyhole whoami*'
        print command
        zpty -w -n z $'\\x15keyhole whoami -n p\\t'
        zpty -r z seen '*whoami -n prod*'
        print config`;
        const { stdout } = Bun.spawnSync([zsh!, "-f", "-c", program], {
          env: { HOME: home, PATH: `${home}:/usr/bin:/bin`, TERM: "dumb" },
          timeout: 15_000,
        });
        expect(stdout.toString()).toBe("command\nconfig\n");
      } finally {
        rmSync(home, { recursive: true, force: true });
      }
    },
    20_000,
  );
});
