// Every command that the README shows, run in its order on one machine; what it shows of the output must be there.
import { expect, test } from "bun:test";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createMachine, executable } from "./machine.ts";

const readme = readFileSync(join(import.meta.dir, "..", "..", "README.md"), "utf8");

interface Step {
  readonly command: string;
  readonly shown: readonly string[];
}

/** The commands of the ```console blocks: `$ ` begins one, `> ` continues it, everything else is its output. */
function readSteps(): Step[] {
  const steps: { command: string; shown: string[] }[] = [];
  for (const [, block] of readme.matchAll(/^```console\n([\s\S]*?)^```$/gm)) {
    for (const line of block!.trimEnd().split("\n")) {
      if (line.startsWith("$ ")) steps.push({ command: line.slice(2), shown: [] });
      else if (line.startsWith("> ")) steps.at(-1)!.command += `\n${line.slice(2)}`;
      else steps.at(-1)!.shown.push(line);
    }
  }
  return steps;
}

/** A line of the README as a pattern: `…` stands for anything. */
const patternOf = (line: string) =>
  new RegExp(
    `^${line
      .split("…")
      .map((part) => RegExp.escape(part))
      .join(".*")}$`,
    "m",
  );

const aws = findAws();

/** One that knows AWS_ENDPOINT_URL, since 1.29 and 2.13: an older one would ask AWS itself. */
function findAws(): string | null {
  const path = Bun.which("aws");
  if (path === null) return null;
  const { stdout } = Bun.spawnSync([path, "--version"]);
  const [, major, minor] = /^aws-cli\/(\d+)\.(\d+)/.exec(stdout.toString()) ?? [];
  return Number(minor) >= (major === "1" ? 29 : 13) ? path : null;
}

test.skipIf(aws === null)(
  "every command of the README works as shown (needs an AWS CLI of 1.29 or 2.13 at least: pip install awscli)",
  async () => {
    await using machine = await createMachine();
    mkdirSync(join(machine.home, ".elhaz"));
    const steps = readSteps();
    expect(steps.length).toBeGreaterThan(25);
    for (const { command, shown } of steps) {
      const child = Bun.spawn(["sh", "-c", command], {
        env: {
          ...machine.environment,
          PATH: `${dirname(executable)}:${dirname(aws!)}:${machine.environment["PATH"]}`,
          AWS_DEFAULT_REGION: "eu-west-1",
          AWS_ENDPOINT_URL_STS: machine.sts.url,
        },
        cwd: join(machine.home, "work"),
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const output = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
      expect([command, await child.exited, output]).toEqual([command, 0, output]);
      for (const line of shown) expect([command, output]).toEqual([command, expect.stringMatching(patternOf(line))]);
      if (command.startsWith("keyhole config add")) {
        for (const name of (await machine.keyhole("config list")).trimEnd().split("\n")) {
          await machine.keyhole(`config update -n ${name} --set STS.endpoint_url=${machine.sts.url}`);
        }
        // A user of elhaz has configs already.
        cpSync(machine.paths.configs, join(machine.home, ".elhaz", "configs"), { recursive: true });
      }
    }
  },
);

test("the README's tables name what the product has (A-043)", async () => {
  await using machine = await createMachine();
  const help = await machine.keyhole("--help");
  for (const [option] of help.matchAll(/--[a-z-]+(?==<)/g)) expect(readme).toContain(`\`${option}\``);
  for (const [variable] of help.matchAll(/KEYHOLE_[A-Z_]+/g)) expect(readme).toContain(`\`${variable}\``);
  const commands = help.slice(help.indexOf("COMMANDS"), help.indexOf("Use keyhole")).matchAll(/^ +([a-z]+) {2,}/gm);
  for (const [, command] of commands) expect(readme).toMatch(new RegExp(`^\\| .*\`${command}[ \`]`, "m"));
});
