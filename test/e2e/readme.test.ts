// Every command that the README and the topics of the help show, run in their order on one machine for each document; what
// they show of the output must be there.
import { expect, test } from "bun:test";
import { cpSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { settingOptions } from "../../src/settings.ts";
import { createMachine, executable } from "./machine.ts";

const root = join(import.meta.dir, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const documents = ["README.md", ...new Glob("src/help/*.md").scanSync(root)].toSorted();

interface Step {
  readonly command: string;
  readonly shown: readonly string[];
}

/** The commands of the ```console blocks: `$ ` begins one, `> ` continues it, everything else is its output. */
function readSteps(document: string): Step[] {
  const steps: { command: string; shown: string[] }[] = [];
  for (const [, block] of read(document).matchAll(/^```console\n([\s\S]*?)^```$/gm)) {
    for (const line of block!.trimEnd().split("\n")) {
      if (line.startsWith("$ ")) steps.push({ command: line.slice(2), shown: [] });
      else if (line.startsWith("> ")) steps.at(-1)!.command += `\n${line.slice(2)}`;
      else steps.at(-1)!.shown.push(line);
    }
  }
  return steps;
}

/** A line of a document as a pattern: `…` stands for anything. */
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

test.skipIf(aws === null).each(documents.filter((document) => readSteps(document).length > 0))(
  "every command of %s works as shown (needs an AWS CLI of 1.29 or 2.13 at least: pip install awscli)",
  async (document) => {
    await using machine = await createMachine();
    // A user of elhaz has configs already; a reader of the help has done what the README shows first.
    if (document !== "README.md") {
      for (const name of ["dev", "staging"]) await machine.addConfig(name, "AssumeRole.DurationSeconds=3600");
      await machine.keyhole("daemon add -n dev");
      cpSync(machine.paths.configs, join(machine.home, ".elhaz", "configs"), { recursive: true });
    }
    for (const { command, shown } of readSteps(document)) {
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
      }
    }
  },
  120_000,
);

test("the recording in the README is what keyhole demo prints", async () => {
  await using machine = await createMachine();
  const printed = (await machine.keyhole("demo")).split("\n");
  const [, recording = ""] = /^```text\n([\s\S]*?)^```$/m.exec(read("README.md"))!;
  // Where bubblewrap is missing or may not be used, the demo says so and shows no sandbox.
  const isWhole = !printed.some((line) => line.includes("no sandbox is shown"));
  const lines = recording.split("\n").filter((line) => line !== "" && line !== "…");
  const shown = isWhole
    ? lines
    : lines.slice(
        0,
        lines.findIndex((line) => line.startsWith("sandbox$")),
      );
  let at = 0;
  for (const line of shown) {
    const found = printed.slice(at).findIndex((each) => patternOf(line).test(each));
    expect([line, found]).not.toEqual([line, -1]);
    at += found + 1;
  }
});

test("the README is short", () => {
  expect(Buffer.byteLength(read("README.md"))).toBeLessThanOrEqual(12 * 1024);
});

test("help/environment.md has every option and variable of all commands (A-043)", () => {
  const topic = read("src/help/environment.md");
  for (const [name, { variable }] of Object.entries(settingOptions)) {
    expect(topic).toMatch(new RegExp(`^\\| .*\`--${name}\`.*\`${variable}\``, "m"));
  }
});
