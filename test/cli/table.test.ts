import { expect, test } from "bun:test";
import { findCommand } from "../../src/arguments.ts";
import { type CommandGroup, commonOptions } from "../../src/cli/command.ts";

const leaf = () => Promise.reject(new Error("nothing is loaded by looking it up"));
const group: CommandGroup = { meta: { name: "daemon", description: "" }, subCommands: { start: leaf } };
const root: CommandGroup = { meta: { name: "", description: "" }, subCommands: { export: leaf, daemon: group } };

test.each([
  ["", "", ""],
  ["export", "export", ""],
  ["export -n a -f env", "export", "-n a -f env"],
  ["daemon", "daemon", ""],
  ["daemon start --json", "daemon start", "--json"],
  ["-sp /s daemon -ct 5 start --json", "daemon start", "-sp /s -ct 5 --json"],
  ["--socket-path=/s export", "export", "--socket-path=/s"],
  ["--socket-path export daemon start", "daemon start", "--socket-path export"],
  ["--help export", "export", "--help"],
  ["export export", "export", "export"],
  ["export daemon start", "export", "daemon start"],
  ["--socket-path", "", "--socket-path"],
])("%p is the command %p with %p", (line, name, words) => {
  const found = findCommand(root, line.split(" ").filter(Boolean), commonOptions);
  expect(found.name).toBe(name);
  expect(found.words.join(" ")).toBe(words);
});

test.each([
  ["exprot", "unknown command exprot, did you mean export"],
  ["daemon strat", "unknown command daemon strat, did you mean start"],
  ["start", "unknown command start, did you mean daemon start"],
  ["__proto__", "unknown command __proto__"],
  ["-n a export", "unknown option -n before the command"],
  ["--name=SECRET other", "unknown option --name before the command"],
])("%p is refused: %p", (line, message) => {
  expect(() => findCommand(root, line.split(" "), commonOptions)).toThrow(message);
  expect(() => findCommand(root, line.split(" "), commonOptions)).not.toThrow("SECRET");
});
