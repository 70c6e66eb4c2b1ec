import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnyCommand, CommandGroup } from "../../src/cli/command.ts";
import { renderPage, renderTopicPage } from "../../src/cli/commands/help.ts";
import { root } from "../../src/cli/table.ts";
import { topics } from "../../src/help/topics.ts";
import { keyhole } from "./fakes/world.ts";

async function targetsOf(group: CommandGroup): Promise<(AnyCommand | CommandGroup)[]> {
  const found = Object.values(group.subCommands).map(async (entry) =>
    typeof entry === "function" ? [await entry()] : targetsOf(entry),
  );
  return [group, ...(await Promise.all(found)).flat()];
}

const targets = await targetsOf(root);
const pages = [
  ...(await Promise.all(
    targets.map(async (target) => [`keyhole ${target.meta.name}`, await renderPage(target)] as const),
  )),
  ...Object.keys(topics).map((topic) => [`the topic ${topic}`, renderTopicPage(topic)] as const),
];

const directory = mkdtempSync(join(tmpdir(), "keyhole-manual-"));
afterAll(() => rmSync(directory, { recursive: true }));
/** Named by what they are about: a fault is said with the name of its file. */
const files = pages.map(([name, page]) => {
  const file = join(directory, name.replaceAll(" ", "-"));
  writeFileSync(file, `${page}\n`);
  return file;
});

/** All pages by one process: groff is half a dozen of them. */
function run(...command: readonly string[]): { stdout: string; stderr: string } {
  const child = Bun.spawnSync([...command], { env: { PATH: process.env["PATH"], LC_ALL: "C.UTF-8" } });
  return { stdout: child.stdout.toString(), stderr: child.stderr.toString() };
}

describe.skipIf(Bun.which("groff") === null)("groff (needs the package groff-base)", () => {
  test("renders every page without a warning", () => {
    expect(run("groff", "-man", "-ww", "-Tutf8", ...files).stderr).toBe("");
  }, 60_000);

  test("shows names of files, quotes and options as they are typed", () => {
    const { stdout } = run("groff", "-man", "-Tutf8", "-P-cbou", join(directory, "the-topic-tools"));
    expect(stdout).toContain(`eval "$(keyhole export -f env -n dev)"`);
    expect(stdout).toContain("~/.aws/config");
  }, 60_000);
});

describe.skipIf(Bun.which("mandoc") === null)("mandoc (needs the package mandoc)", () => {
  // A build has no date: two of a commit are the same to the byte.
  test("finds no fault in any page but that it has no date", () => {
    const faults = run("mandoc", "-T", "lint", "-W", "warning", ...files)
      .stdout.split("\n")
      .filter(Boolean);
    expect(faults.filter((fault) => !fault.includes("missing date"))).toEqual([]);
    expect(faults).toHaveLength(files.length);
  }, 60_000);
});

const printed = async (...words: string[]) => (await keyhole(["help", "--man", ...words])).stdout;

test("keyhole help --man prints the manual, and the page of a command or a topic", async () => {
  expect(await printed()).toBe(`${await renderPage(root)}\n`);
  expect(await printed("config", "add")).toStartWith('.TH "KEYHOLE-CONFIG-ADD" 1 ');
  expect(await printed("agents")).toBe(`${renderTopicPage("agents")}\n`);
});
