// One voice for all errors, as their places in the source have it: what the types cannot ask for.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";

const source = join(import.meta.dir, "..", "src");

/** The texts in quotes of what stands between the parentheses of each `new KeyholeError(`, with the file's name. */
const texts = [...new Glob("**/*.ts").scanSync(source)].toSorted().flatMap((file) =>
  readFileSync(join(source, file), "utf8")
    .split("new KeyholeError(")
    .slice(1)
    .flatMap((rest) => [...argumentsOf(rest).matchAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g)])
    .map(([text]) => `${file}: ${text.slice(1, -1)}`),
);

function argumentsOf(text: string): string {
  let depth = 1;
  let end = 0;
  while (depth > 0 && end < text.length) {
    if (text[end] === "(") depth += 1;
    else if (text[end] === ")") depth -= 1;
    end += 1;
  }
  return text.slice(0, end);
}

const matching = (pattern: RegExp) => texts.filter((text) => pattern.test(text));

test("there are errors to look at", () => {
  expect(texts.length).toBeGreaterThan(300);
});

test("names that may have blanks in them stand in '…', as in git; those of configs and grants need no quotes", () => {
  expect(matching(/(?<!--|\[)\b(?:profile|sso-session) \$\{/)).toEqual([]);
  expect(matching(/(?<!sso-)\b(?:config|grant|session) ['"]\$\{/)).toEqual([]);
  expect(matching(/\$\{JSON\.stringify\(/)).toEqual([]);
});

test("words are short and plain", () => {
  const phrases = "please sorry oops failed.to unable.to could.not illegal e[.]g[.] successfully";
  const others = `${phrases} can't don't doesn't isn't won't nobody somebody whoever`.split(" ");
  expect(matching(new RegExp(`\\b(?:${others.join("|")})`, "i"))).toEqual([]);
});

test("messages begin in lower case or with a name, and end without a period", () => {
  expect(matching(/: [A-Z][a-z]+ [a-z]+ /)).toEqual([]);
  expect(matching(/[^.]\.$/)).toEqual([]);
});
