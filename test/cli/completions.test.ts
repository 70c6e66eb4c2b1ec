import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyhole } from "./fakes/world.ts";

const home = mkdtempSync(join(tmpdir(), "keyhole-completions-"));
const bin = join(home, "bin");
afterAll(() => rmSync(home, { recursive: true, force: true }));

const write = (path: string, text: string) => writeFileSync(join(home, path), text, { mode: 0o600 });
for (const directory of ["bin", ".aws", ".keyhole/configs", ".keyhole/grants", "empty"]) {
  mkdirSync(join(home, directory), { recursive: true, mode: 0o700 });
}
write(".keyhole/configs/dev.yaml", "AssumeRole:\n  RoleArn: arn:aws:iam::111122223333:role/dev\n");
write(".keyhole/configs/prod.yaml", "Session:\n  profile_name: work\nMeta:\n  description: with care\n");
write(".keyhole/configs/broken.yaml", "AssumeRole: [");
write(".keyhole/grants/agent-a.yaml", "");
write(".keyhole/grants/agent-b.yaml", "");
write(
  ".aws/config",
  "[profile work]\nrole_arn = arn:aws:iam::111122223333:role/work\n[profile '$(touch evaluated)']\n[profile `touch evaluated`]\n",
);
// The shells run keyhole from source.
write("bin/keyhole", `#!/bin/sh\nexec '${process.execPath}' '${join(import.meta.dir, "../../src/main.ts")}' "$@"\n`);
chmodSync(join(bin, "keyhole"), 0o700);
const environment = { HOME: home, PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`, TERM: "dumb", LC_ALL: "C.UTF-8" };

async function script(shell: string): Promise<string> {
  const { stdout, exit } = await keyhole(["completion", shell], { environment: { HOME: "/nowhere" } });
  expect(exit).toBe(0);
  return stdout;
}

/** What is offered for a command line whose last word is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const { stdout, stderr, exit } = await keyhole(["completion", "words", "--", ...words], { environment });
  expect([stderr, exit]).toEqual(["", 0]);
  return stdout.split("\n").filter(Boolean);
}

const wordsOf = (lines: readonly string[]) => lines.map((line) => line.split("\t", 1)[0]!);

describe("keyhole completion words", () => {
  test.each([
    ["commands", ["exp"], ["export"]],
    ["commands of a group", ["daemon", "st"], ["start", "stop", "status"]],
    ["options of a command", ["export", "--f"], ["--format"]],
    ["settings in front of a command", ["--sock"], ["--socket-path"]],
    ["commands behind settings", ["-sp", "/x", "who"], ["whoami"]],
    ["names of configs", ["export", "-n", ""], ["broken", "dev", "prod"]],
    ["names of configs as an operand", ["exec", "p"], ["prod"]],
    ["names of configs by a prefix", ["exec", "--name", "p"], ["prod"]],
    ["names of configs in another directory", ["-cd", join(home, "empty"), "exec", "-n", ""], []],
    ["values of an enum", ["export", "-f", "po"], ["powershell"]],
    ["values behind =", ["export", "--format=po"], ["--format=powershell"]],
    ["names of configs for a grant", ["grant", "add", "--config", "d"], ["dev"]],
    ["names of grants", ["grant", "show", "agent"], ["agent-a", "agent-b"]],
    ["names of grants for an option", ["audit", "--grant", ""], ["agent-a", "agent-b"]],
    ["no names for a new grant", ["grant", "add", "agent"], []],
    ["tools of recipes", ["grant", "show", "agent-a", "--for", "pod"], ["podman"]],
    ["profiles, and nothing that a shell would obey", ["exec", "--profile", ""], ["work"]],
    ["profiles to sign in to", ["login", ""], ["work"]],
    ["paths of a config", ["config", "update", "dev", "--set", "AssumeRole.Dur"], ["AssumeRole.DurationSeconds="]],
    ["topics and commands", ["help", "ag"], ["agents"]],
    ["what an alias takes", ["status", "--wai"], ["--wait"]],
    ["what is on by default where it is turned off", ["daemon", "add", "--no"], ["--no-verify"]],
    ["an empty word of Windows PowerShell", ["audit", "--grant", '""'], ["agent-a", "agent-b"]],
    ["nothing for a path, which is the shell's own business", ["--config-dir", ""], []],
    ["nothing behind --, which is the child's", ["exec", "-n", "dev", "--", "aw"], []],
    ["nothing for a command that is none", ["exprot", ""], []],
  ] as const)("offers %s", async (_, words, expected) => {
    expect(wordsOf(await offered(...words)).toSorted()).toEqual([...expected].toSorted());
  });

  test("describes what it offers", async () => {
    expect(await offered("who")).toEqual(["whoami\tPrint the identity that AWS sees, as JSON"]);
    expect(await offered("exec", "-n", "")).toEqual([
      "broken\t",
      "dev\tarn:aws:iam::111122223333:role/dev",
      "prod\twith care",
    ]);
    expect(await offered("exec", "--profile", "w")).toEqual(["work\tarn:aws:iam::111122223333:role/work"]);
  });
});

/** Runs a shell to its end, which evaluates nothing of what is offered. */
function run(command: readonly string[]): string {
  const { stdout, stderr } = Bun.spawnSync([...command], { env: environment, cwd: home, timeout: 30_000 });
  expect(stderr.toString()).toBe("");
  expect(readdirSync(home)).not.toContain("evaluated");
  return stdout.toString();
}

async function completeInBash(...words: string[]): Promise<string[]> {
  const program = `${await script("bash")}
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _keyhole; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return run(["bash", "-c", program, "bash", "keyhole", ...words])
    .split("\n")
    .filter(Boolean);
}

test("bash gets one word, or several with their descriptions", async () => {
  expect(await completeInBash("who")).toEqual(["whoami"]);
  expect(await completeInBash("exec", "-n", "")).toEqual([
    "broken",
    "dev  (arn:aws:iam::111122223333:role/dev)",
    "prod  (with care)",
  ]);
  expect(await completeInBash("exec", "-n", "dev", "--", "")).toEqual([]);
}, 30_000);

const fish = Bun.which("fish");

async function completeInFish(line: string): Promise<string[]> {
  return run([fish!, "--no-config", "-c", `${await script("fish")}\ncomplete -C '${line}'`])
    .trimEnd()
    .split("\n");
}

test.skipIf(fish === null)(
  "fish (needs the package fish) gets words with their descriptions",
  async () => {
    expect(await completeInFish("keyhole who")).toEqual(["whoami\tPrint the identity that AWS sees, as JSON"]);
    expect(await completeInFish("keyhole exec -n ")).toContain("dev\tarn:aws:iam::111122223333:role/dev");
    expect(await completeInFish("keyhole grant show agent")).toEqual(["agent-a", "agent-b"]);
    expect(await completeInFish("keyhole -cd emp")).toEqual(["empty/"]);
  },
  60_000,
);

const pwsh = Bun.which("pwsh");

test.skipIf(pwsh === null).each([
  ["keyhole who", ["whoami"]],
  ["keyhole export -f po", ["powershell"]],
  ["keyhole exec -n p", ["prod"]],
  ["keyhole grant show agent", ["agent-a", "agent-b"]],
  ["keyhole audit --grant ", ["agent-a", "agent-b"]],
])(
  "pwsh (needs PowerShell 7) completes %j (E-006)",
  async (line, expected) => {
    const program = `${await script("powershell")}
      ([System.Management.Automation.CommandCompletion]::CompleteInput('${line}', ${line.length}, $null)).CompletionMatches.CompletionText`;
    expect(run([pwsh!, "-NoProfile", "-Command", program]).trim().split("\n")).toEqual(expected);
  },
  60_000,
);

const zsh = Bun.which("zsh");

describe.skipIf(zsh === null)("zsh (needs the package zsh)", () => {
  test.each([
    ["sourced", 'autoload -Uz compinit; compinit -u -D; . "$HOME/functions/_keyhole"'],
    ["found in fpath, from its first use on", "fpath=($HOME/functions $fpath); autoload -Uz compinit; compinit -u -D"],
  ])(
    "completes commands and names of configs with their descriptions, %s",
    async (_, load) => {
      mkdirSync(join(home, "functions"), { recursive: true });
      write("functions/_keyhole", await script("zsh"));
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
        print config
        zpty -w -n z $'\\x15keyhole whoami -n \\t\\t'
        zpty -r z seen '*dev*role/dev*'
        print description`;
      expect(run([zsh!, "-f", "-c", program])).toBe("command\nconfig\ndescription\n");
    },
    60_000,
  );
});
