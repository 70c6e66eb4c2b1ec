import { describe, expect, test } from "bun:test";
import type { AnyCommand, CommandGroup } from "../../src/cli/command.ts";
import { renderPage, renderTopicPage } from "../../src/cli/manual.ts";
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

/** What a program says of a page on stderr, or on stdout where it only checks. */
function said(command: readonly string[], page: string): string {
  const { stdout, stderr } = Bun.spawnSync([...command], {
    stdin: new TextEncoder().encode(`${page}\n`),
    env: { PATH: process.env["PATH"], LC_ALL: "C.UTF-8" },
  });
  return command.includes("lint") ? stdout.toString() : stderr.toString();
}

describe.skipIf(Bun.which("groff") === null)("groff (needs the package groff-base)", () => {
  test("renders every page without a warning", () => {
    for (const [name, page] of pages)
      expect([name, said(["groff", "-man", "-ww", "-Tutf8"], page)]).toEqual([name, ""]);
  });

  test("shows names of files, quotes and options as they are typed", () => {
    const { stdout } = Bun.spawnSync(["groff", "-man", "-Tutf8", "-P-cbou"], {
      stdin: new TextEncoder().encode(`${new Map(pages).get("the topic tools")!}\n`),
    });
    expect(stdout.toString()).toContain(`eval "$(keyhole export -f env -n dev)"`);
    expect(stdout.toString()).toContain("~/.aws/config");
  });
});

describe.skipIf(Bun.which("mandoc") === null)("mandoc (needs the package mandoc)", () => {
  // A build has no date: two of a commit are the same to the byte.
  test("finds no fault in any page but that it has no date", () => {
    for (const [name, page] of pages) {
      const faults = said(["mandoc", "-T", "lint", "-W", "warning"], page).trimEnd().split("\n");
      expect([name, faults.filter((fault) => !fault.includes("missing date"))]).toEqual([name, []]);
    }
  });
});

const printed = async (...words: string[]) => (await keyhole(["help", "--man", ...words])).stdout;

test("keyhole help --man prints the manual, and the page of a command or a topic", async () => {
  expect(await printed()).toBe(`${await renderPage(root)}\n`);
  expect(await printed("config", "add")).toStartWith('.TH "KEYHOLE-CONFIG-ADD" 1 ');
  expect(await printed("agents")).toBe(`${renderTopicPage("agents")}\n`);
});
