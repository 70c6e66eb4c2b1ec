import { expect, test } from "bun:test";
import { checkName, requireName } from "../../src/cli/names.ts";
import { createUi, type Ui } from "../../src/cli/ui.ts";
import { checkName as checkStoredName } from "../../src/config/store.ts";
import { KeyholeError } from "../../src/errors.ts";

const names = ["dev", "a", "A-1_b", "-n", "_", "x".repeat(128)];
const noNames = ["", " ", "a b", "a.b", "../a", "a/b", "ä", "a\n", "x".repeat(129), "a\u0000"];

test.each(names)("%j is a name, here as in the store", (name) => {
  expect(checkName(name)).toBe(name);
  expect(checkStoredName(name)).toBe(name);
});

test.each(noNames)("%j is none, neither here nor in the store, and is not repeated", (name) => {
  for (const check of [checkName, checkStoredName]) expect(() => check(name)).toThrow(KeyholeError);
  if (name.length > 2) expect(() => checkName(name)).not.toThrow(name);
});

test("a given name asks nobody and lists nothing", async () => {
  const asked = Promise.reject(new Error("asked"));
  asked.catch(() => {});
  const ui: Ui = { ...createUi(), isInteractive: () => asked };
  expect(await requireName("dev", ui, { kind: "configs", hint: "", list: () => asked })).toBe("dev");
});
