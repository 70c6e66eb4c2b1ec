import { describe, expect, test } from "bun:test";
import { quoteForProcess, quotePosix } from "../../src/text/quoting.ts";
import { present, readBack, values } from "../shells.ts";

describe.each(present(["sh", "bash", "dash", "zsh"]))("%s", (shell) => {
  test.each(values)("reads back %j", (value) => {
    expect(readBack([shell], `export X=${quotePosix(value)}\nprintf %s "$X"`)).toBe(value);
  });
});

test("a plain word stays bare, because elhaz's users cut it out of the line", () => {
  for (const word of ["ASIAEXAMPLE", "se/cr+et==", "2026-11-20T13:00:00Z", "eu-west-1"]) {
    expect(quotePosix(word)).toBe(word);
  }
});

test.each([
  ["/opt/key-hole_1.0/keyhole", "/opt/key-hole_1.0/keyhole"],
  ["/a b/keyhole", '"/a b/keyhole"'],
  ["/it's#1;2", '"/it\'s#1;2"'],
  ["", '""'],
])("the word %j of a credential_process is %s", (word, quoted) => {
  expect(quoteForProcess(word)).toBe(quoted);
});

test.each(['a"b', "$HOME", "`x`", "a\\b", "a\nb", "a\rb", "/a #b", "/a\t;b"])(
  "%j is no word that every reader of a credential_process takes alike",
  (word) => {
    expect(quoteForProcess(word)).toBeUndefined();
  },
);

describe.each(present(["python3"]))("a word of a credential_process", (python) => {
  test.each(["/opt/keyhole", "/with space/keyhole", "/it's/#1/~x/*/keyhole"])("%j is one word for both", (word) => {
    const line = `printf %s ${quoteForProcess(word)}`;
    expect(readBack(["sh"], line)).toBe(word);
    const script = "import shlex, sys; print(shlex.split(sys.stdin.read())[2], end='')";
    expect(readBack([python, "-c", script], line)).toBe(word);
  });
});
