import { expect, test } from "bun:test";
import { createUi, hasConsent } from "../../src/cli/ui.ts";
import { rejectionOf } from "../thrown.ts";

/** Somebody who is there or not, and says this. */
const uiOf = (isThere: boolean, answer: boolean) => ({
  ...createUi({}, () => {}),
  isInteractive: () => Promise.resolve(isThere),
  askYesNo: () => Promise.resolve(answer),
});

test("the option stands for a person", async () => {
  expect(await hasConsent(true, uiOf(false, false), "Remove it?", "rm --yes")).toBe(true);
});

test.each([true, false])("a person's %p counts", async (answer) => {
  expect(await hasConsent(false, uiOf(true, answer), "Remove it?", "rm --yes")).toBe(answer);
});

test("without either nothing happens, and the option is named", async () => {
  expect(await rejectionOf(hasConsent(false, uiOf(false, true), "Remove it?", "rm --yes"))).toMatchObject({
    kind: "usage",
    message: "--yes is missing",
    hint: "rm --yes",
  });
});
