// Prompts on a real terminal: what a person types reaches the config, and stdout stays clean.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { temporaryHome } from "./fakes/daemon.ts";

let home = "";
beforeAll(() => (home = temporaryHome()));
afterAll(() => fs.rmSync(home, { recursive: true, force: true }));

const ROLE = "arn:aws:iam::123456789012:role/demo";
const MAIN = `${import.meta.dir}/../../src/main.ts`;

/** A terminal that is read and typed into as a person would: nothing before the question is there. */
class Person implements AsyncDisposable {
  readonly #child: Bun.Subprocess;
  readonly #terminal: Bun.Terminal;
  #seen = "";
  #arrived = () => {};

  constructor(words: readonly string[]) {
    this.#terminal = new Bun.Terminal({
      cols: 120,
      rows: 40,
      data: (_, bytes) => {
        this.#seen += new TextDecoder().decode(bytes);
        this.#arrived();
      },
    });
    this.#child = Bun.spawn([process.execPath, MAIN, ...words], {
      terminal: this.#terminal,
      env: { HOME: home, KEYHOLE_HOME: home, PATH: process.env["PATH"] ?? "", TERM: "xterm" },
    });
  }

  /** Waits for a text behind the last one that was waited for; the test's own deadline ends it. */
  async sees(text: string): Promise<void> {
    while (!this.#seen.includes(text)) await new Promise<void>((resolve) => (this.#arrived = resolve));
    this.#seen = this.#seen.slice(this.#seen.indexOf(text) + text.length);
  }

  async answers(question: string, keys: string): Promise<void> {
    await this.sees(question);
    this.#terminal.write(keys);
  }

  exit(): Promise<number> {
    return this.#child.exited;
  }

  async [Symbol.asyncDispose]() {
    this.#child.kill();
    await this.#child.exited;
    this.#terminal.close();
  }
}

describe("on a terminal", () => {
  test("a config is made by answers, and a bad one is asked again", async () => {
    await using person = new Person(["config", "add"]);
    await person.answers("Name of the config:", "dev\r");
    await person.answers("Create config interactively?", "\r");
    await person.answers("Add a description?", "\r");
    await person.answers("AssumeRole.RoleArn (required):", "nonsense\r");
    await person.sees("must be the ARN of a role");
    await person.answers("AssumeRole.RoleArn (required):", `${ROLE}\r`);
    await person.answers("Configure optional", "\r");
    await person.answers("Add STS?", "\r");
    await person.answers("Add MFA?", "\r");
    await person.answers("Add Session?", "\r");
    await person.sees("config dev created");
    expect(await person.exit()).toBe(0);
    expect(fs.readFileSync(`${home}/configs/dev.yaml`, "utf8")).toBe(`AssumeRole:\n  RoleArn: ${ROLE}\n`);
  }, 20_000);

  test.each<[title: string, question: string, words: string[]]>([
    ["a text prompt", "Name of the config:", ["config", "add"]],
    ["a yes or no", "Create config interactively?", ["config", "add", "-n", "other"]],
  ])(
    "Ctrl-C at %s is exit 130 and saves nothing",
    async (_, question, words) => {
      await using person = new Person(words);
      await person.answers(question, "\u0003");
      expect(await person.exit()).toBe(130);
      expect(fs.existsSync(`${home}/configs/other.yaml`)).toBeFalse();
    },
    20_000,
  );
});
