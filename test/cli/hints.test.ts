import { expect, test } from "bun:test";
import { keepPaths } from "../../src/cli/command-line.ts";
import { createUi } from "../../src/cli/ui.ts";
import { KeyholeError } from "../../src/errors.ts";

test.each<[title: string, words: string[], hint: string, shown: string]>([
  ["a socket", ["--socket-path", "/s", "export"], "keyhole daemon start", "keyhole --socket-path=/s daemon start"],
  ["a short option", ["export", "-sp", "/s"], "keyhole daemon start", "keyhole --socket-path=/s daemon start"],
  ["a value behind =", ["--config-dir=/c", "x"], "keyhole config list", "keyhole --config-dir=/c config list"],
  [
    "two paths",
    ["-lp", "/l", "-cd", "/c"],
    "keyhole daemon logs",
    "keyhole --logging-path=/l --config-dir=/c daemon logs",
  ],
  ["a path with a space", ["-cd", "/a b"], "keyhole config list", "keyhole --config-dir='/a b' config list"],
  ["no path", ["export", "-n", "dev"], "keyhole daemon start", "keyhole daemon start"],
  ["a socket where no daemon is asked", ["-sp", "/s"], "keyhole config list", "keyhole config list"],
  ["help", ["-sp", "/s"], "keyhole export --help", "keyhole export --help"],
  ["another program", ["-sp", "/s"], "ls -l /s", "ls -l /s"],
])("a pasted hint means the same places: %s", (_, words, hint, shown) => {
  const lines: string[] = [];
  const ui = keepPaths(
    createUi({}, (line) => void lines.push(line)),
    words,
  );
  ui.hint(hint);
  ui.warn("w", hint);
  ui.fail(new KeyholeError("internal", "e", hint));
  const last = `keyhole: hint: ${shown}`;
  expect(lines).toEqual([last, "keyhole: warning: w", last, "keyhole: error: e", last]);
});
