// Prompts on a real terminal: what a person types reaches the config, and stdout stays clean.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { temporaryHome } from "./fakes/daemon.ts";
import { Person } from "./fakes/person.ts";

let home = "";
beforeAll(() => (home = temporaryHome()));
afterAll(() => fs.rmSync(home, { recursive: true, force: true }));

const ROLE = "arn:aws:iam::123456789012:role/demo";
const MAIN = `${import.meta.dir}/../../src/main.ts`;

const person = (...words: readonly string[]) =>
  new Person([process.execPath, MAIN, ...words], { HOME: home, KEYHOLE_HOME: home });

describe("on a terminal", () => {
  test("a config is made by answers, and a bad one is asked again", async () => {
    await using ada = person("config", "add");
    await ada.answers("Name of the config:", "no name\r");
    await ada.sees("a config's name has 1 to 128");
    await ada.answers("Name of the config:", "dev\r");
    await ada.answers("Role to assume, its ARN:", "nonsense\r");
    await ada.sees("must be the ARN of a role");
    await ada.answers("Role to assume, its ARN:", `${ROLE}\r`);
    await ada.answers("More?", "\r");
    await ada.sees("config dev created");
    await ada.answers("Test it now?", "n\r");
    await ada.sees("next: keyhole exec -n dev -- aws sts get-caller-identity");
    expect(await ada.exit()).toBe(0);
    expect(fs.readFileSync(`${home}/configs/dev.yaml`, "utf8")).toBe(`AssumeRole:\n  RoleArn: ${ROLE}\n`);
  }, 20_000);

  test("a choice is filtered as one types, and moved through", async () => {
    for (const name of ["alpha", "beta-one", "beta-two"])
      fs.writeFileSync(`${home}/configs/${name}.yaml`, `AssumeRole:\n  RoleArn: ${ROLE}-${name}\n`, { mode: 0o600 });
    await using ada = person("config", "get");
    await ada.sees("Which one?");
    await ada.answers("> alpha     123456789012 demo-alpha", "demo-BETA");
    await ada.answers("> beta-one", "\u001B[B");
    await ada.answers("> beta-two", "\r");
    await ada.sees("demo-beta-two");
    expect(await ada.exit()).toBe(0);
  }, 20_000);

  test("on a terminal without a cursor a choice is named", async () => {
    await using ada = new Person([process.execPath, MAIN, "config", "get"], {
      HOME: home,
      KEYHOLE_HOME: home,
      TERM: "dumb",
    });
    await ada.answers("Which one?", "beta\r");
    await ada.answers("Which one?", "two\r");
    await ada.sees("demo-beta-two");
    expect(await ada.exit()).toBe(0);
  }, 20_000);

  const prompts: [title: string, question: string, words: string[]][] = [
    ["a text prompt", "Name of the config:", ["config", "add"]],
    ["a yes or no", "Config dev already exists. Overwrite?", ["config", "add", "-n", "dev"]],
    ["a choice", "Which one?", ["config", "update"]],
  ];

  test.each(prompts)(
    "Ctrl-C at %s is exit 130 and saves nothing",
    async (_, question, words) => {
      await using ada = person(...words);
      await ada.answers(question, "\u0003");
      expect(await ada.exit()).toBe(130);
      expect(fs.existsSync(`${home}/configs/other.yaml`)).toBeFalse();
    },
    20_000,
  );

  test.each(prompts)(
    "a terminal that goes away at %s ends the process with 130",
    async (_, question, words) => {
      await using ada = person(...words);
      await ada.sees(question);
      ada.leaves();
      expect(await ada.exit()).toBe(130);
    },
    20_000,
  );
});
