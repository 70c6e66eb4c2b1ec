// The table of help/sandboxes.md: each row is what a test saw, and a test that saw something else fails with the row that
// belongs there.
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { must, scratch } from "../interop/run.ts";
import { NODE, places } from "./rigs/rigs.ts";

/** What a test did: what stands in the fourth column. */
export type Trial = "SDKs" | "attacks" | "renewal" | "restart" | "revoke" | "validation";

export interface Sight {
  readonly deliver: "socket" | "file" | "signature";
  readonly tried: readonly Trial[];
  /** What the intruder found, which has to stand in the recipe as well. */
  readonly open: readonly string[];
}

const pins = `${places.go}/../pins.txt`;
/** Behind what the version stands in the pins; gVisor has the day of a commit. */
const pinned: Partial<Record<string, string>> = { fence: "fence@", gVisor: "runsc@v0.0.0-" };

/** What says the version of what is run, by what the table calls it. */
const versions = {
  bubblewrap: ["bwrap", "--version"],
  firejail: ["firejail", "--version"],
  "sandbox-runtime (`srt`)": [`${places.agents}/node_modules/.bin/srt`, "--version"],
  "Claude Code": [`${places.agents}/node_modules/.bin/claude`, "--version"],
  "Codex (`codex sandbox`, app server)": [`${places.agents}/node_modules/.bin/codex`, "--version"],
  fence: ["cat", pins],
  Docker: ["dockerd", "--version"],
  "Podman, rootful and rootless": ["podman", "--version"],
  gVisor: ["cat", pins],
  "Gemini CLI (Docker)": [NODE, `${places.agents}/node_modules/.bin/gemini`, "--version"],
  "devcontainer CLI": [`${places.agents}/node_modules/.bin/devcontainer`, "--version"],
} as const satisfies Record<string, readonly string[]>;

export type Tool = keyof typeof versions;

/** Of each. */
export const tools = Object.keys(versions) as Tool[];

const topic = join(import.meta.dir, "..", "..", "src", "help", "sandboxes.md");

/** Rows of the table, by their first cells. */
export function readRows(): ReadonlyMap<string, readonly string[]> {
  const [table = ""] = readFileSync(topic, "utf8")
    .split("\n\n")
    .filter((part) => part.startsWith("|"));
  const rows = table.split("\n").slice(2);
  return new Map(
    rows.map((row) => {
      const [tool = "", ...cells] = row
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim());
      return [tool, cells];
    }),
  );
}

/** @throws where the table does not say it */
export async function expectRow(tool: Tool, { deliver, tried, open }: Sight): Promise<void> {
  // Codex makes its home, even to say its version.
  const home = scratch("version");
  const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: home.path };
  const said = await must([...versions[tool]], environment).finally(() => home.remove());
  const before = pinned[tool];
  const pin = before === undefined ? said : said.slice(said.indexOf(before) + before.length);
  const version = /\d{1,8}(?:\.\d+)*/.exec(pin)![0];
  const cells = readRows().get(tool) ?? [];
  expect({
    tool,
    version: cells[0],
    deliver: cells[1]?.split(", "),
    tried: cells[2]?.split(", "),
    open: cells[3],
  }).toEqual({
    tool,
    version,
    deliver: expect.arrayContaining([deliver]),
    tried: expect.arrayContaining([...tried]),
    open: open.length === 0 ? "nothing" : open.join(", "),
  });
}
