import { describe, expect, test } from "bun:test";
import { quotePosix } from "../src/quoting.ts";
import { present, readBack, values } from "./shells.ts";

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
