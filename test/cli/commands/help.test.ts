import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { titleOf, topics } from "../../../src/help/topics.ts";
import { keyhole } from "../fakes/world.ts";

const folder = join(import.meta.dir, "..", "..", "..", "src", "help");

test("every document of src/help is a topic, which the index names by its title", async () => {
  const documents = readdirSync(folder).filter((file) => file.endsWith(".md"));
  expect(
    Object.keys(topics)
      .map((topic) => `${topic}.md`)
      .toSorted(),
  ).toEqual(documents.toSorted());
  const { stdout, exit } = await keyhole(["help"]);
  expect(exit).toBe(0);
  for (const [topic, text] of Object.entries(topics)) {
    expect(stdout).toMatch(new RegExp(`^  ${topic} +${RegExp.escape(titleOf(text))}$`, "m"));
  }
});

test.each(Object.keys(topics))("%s is shown plainly where nobody looks on, within 80 columns", async (topic) => {
  const { stdout, exit } = await keyhole(["help", topic]);
  expect(exit).toBe(0);
  expect(stdout).toStartWith(`${titleOf(topics[topic]!)}\n`);
  expect(stdout).not.toContain("\u001b");
  expect(stdout.split("\n").filter((line) => Bun.stringWidth(line) > 80)).toEqual([]);
});

test("a topic goes through the pager where a person reads, and is not printed again", async () => {
  const shown: string[] = [];
  const page = async (render: (colors: boolean) => string) => shown.push(render(true)) > 0;
  expect(await keyhole(["help", "statuses"], { host: { page } })).toMatchObject({ exit: 0, stdout: "" });
  expect(shown.join("")).toContain("\u001b[");
});

test.each([
  [["help", "agnets"], "unknown topic agnets, did you mean agents", "keyhole help"],
  [["help", "deamon"], "unknown command deamon, did you mean daemon", "keyhole --help"],
  [["help", "config", "ad"], "unknown command config ad, did you mean add", "keyhole config --help"],
])("%j names what was meant", async (words, message, hint) => {
  expect(await keyhole(words)).toMatchObject({
    exit: 2,
    stderr: `keyhole: error: ${message}\nkeyhole: hint: ${hint}\n`,
  });
});

test("is there whatever the settings are", async () => {
  const environment = { HOME: "/home/a", KEYHOLE_CLIENT_TIMEOUT: "soon" };
  expect(await keyhole(["help", "statuses"], { environment })).toMatchObject({ exit: 0, stderr: "" });
});
