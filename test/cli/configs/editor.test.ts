import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { temporaryHome } from "../fakes/daemon.ts";
import { keyhole } from "../fakes/world.ts";

const TEXT = `# mine\nAssumeRole:\n  RoleArn: arn:aws:iam::123456789012:role/demo\n`;

const homes: string[] = [];
let home = "";
beforeEach(() => {
  home = temporaryHome();
  homes.push(home);
  fs.mkdirSync(`${home}/configs`, { mode: 0o700 });
  fs.writeFileSync(`${home}/configs/dev.yaml`, TEXT);
});
afterAll(() => homes.forEach((path) => fs.rmSync(path, { recursive: true, force: true })));

const textOf = (name: string) => fs.readFileSync(`${home}/configs/${name}.yaml`, "utf8");

/** Runs with an editor that is a line of shell; `$1` is the file. */
function edit(words: readonly string[], script: string, answers: readonly unknown[] = [], variable = "EDITOR") {
  const editor = `${home}/editor`;
  fs.writeFileSync(editor, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
  const environment = { KEYHOLE_HOME: home, PATH: process.env["PATH"] ?? "", [variable]: editor };
  return keyhole(["config", ...words], { environment, answers });
}

describe("config update --editor", () => {
  const words = ["update", "-n", "dev", "--editor"];

  test.each(["EDITOR", "VISUAL"])("saves what $%s made of a copy", async (variable) => {
    const script = `cp "$1" "${home}/seen"; stat -c '%a %n' "$1" > "${home}/where"; echo 'pin: true' >> "$1"`;
    const result = await edit(words, script, [], variable);
    expect([result.exit, result.stderr]).toEqual([0, "config dev updated\n"]);
    expect(textOf("dev")).toBe(`${TEXT}pin: true\n`);
    expect(fs.readFileSync(`${home}/seen`, "utf8")).toBe(TEXT);
    expect(fs.readFileSync(`${home}/where`, "utf8")).toMatch(
      new RegExp(`^600 ${home}/run/edit-\\d+-\\w+/dev\\.yaml\\n$`),
    );
    expect(fs.readdirSync(`${home}/run`)).toEqual([]);
  });

  test("takes options within the variable", async () => {
    const script = `[ "$1" = --wait ] && echo 'pin: true' >> "$2"`;
    fs.writeFileSync(`${home}/with`, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
    const environment = { KEYHOLE_HOME: home, PATH: process.env["PATH"] ?? "", EDITOR: `${home}/with --wait` };
    expect((await keyhole(["config", ...words], { environment, answers: [] })).exit).toBe(0);
  });

  test("offers the text again until it is valid", async () => {
    const script = `if grep -q pin "$1"; then sed -i s/maybe/true/ "$1"; else echo 'pin: maybe' >> "$1"; fi`;
    const result = await edit(words, script, [true]);
    expect([result.exit, result.questions]).toEqual([0, ["Edit again?"]]);
    expect(result.stderr).toBe("keyhole: warning: line 4: pin must be true or false\nconfig dev updated\n");
    expect(textOf("dev")).toBe(`${TEXT}pin: true\n`);
  });

  test("keeps the file if the person gives up, and leaves no copy", async () => {
    const result = await edit(words, `echo 'pin: maybe' >> "$1"`, [false]);
    expect([result.exit, textOf("dev")]).toEqual([1, TEXT]);
    expect(fs.readdirSync(`${home}/run`)).toEqual([]);
  });

  test("keeps the file if the editor fails", async () => {
    const result = await edit(words, `echo 'pin: true' >> "$1"; exit 3`);
    expect([result.exit, textOf("dev")]).toEqual([2, TEXT]);
    expect(result.stderr).toContain("the editor ended with status 3; nothing was saved");
  });

  test("names the editor that is not there, and one that is", async () => {
    const environment = { KEYHOLE_HOME: home, PATH: `${home}/bin:/bin`, EDITOR: "no-editor" };
    fs.mkdirSync(`${home}/bin`);
    fs.writeFileSync(`${home}/bin/nano`, "", { mode: 0o755 });
    const result = await keyhole(["config", ...words], { environment, answers: [] });
    expect([result.exit, result.stderr]).toEqual([
      2,
      "keyhole: error: there is no editor no-editor; nothing was saved\nkeyhole: hint: export EDITOR=nano\n",
    ]);
  });

  test("that changes nothing writes nothing", async () => {
    const result = await edit(words, "true");
    expect([result.exit, result.stderr]).toEqual([0, "nothing to change\n"]);
  });

  test("mends a file that is not valid", async () => {
    fs.writeFileSync(`${home}/configs/dev.yaml`, "a: 1\na: 2\n");
    const result = await edit(words, `printf '%s' '${TEXT}' > "$1"`);
    expect([result.exit, textOf("dev")]).toEqual([0, TEXT]);
  });
});

describe("config add --editor", () => {
  test("begins with a template that says what is needed", async () => {
    const result = await edit(
      ["add", "-n", "new", "--editor"],
      `cp "$1" "${home}/seen"; sed -i 's|RoleArn:|RoleArn: arn:aws:iam::123456789012:role/new|' "$1"`,
    );
    expect([result.exit, result.stderr]).toEqual([0, "config new created\n"]);
    expect(fs.readFileSync(`${home}/seen`, "utf8")).toContain("AssumeRole:\n  RoleArn:\n");
    expect(textOf("new")).toContain("role/new");
  });

  test("of an untouched template saves nothing", async () => {
    const result = await edit(["add", "-n", "new", "--editor"], "true");
    expect([result.exit, result.stderr]).toEqual([0, "nothing was saved\n"]);
    expect(fs.existsSync(`${home}/configs/new.yaml`)).toBeFalse();
  });
});
