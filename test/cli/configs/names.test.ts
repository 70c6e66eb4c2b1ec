import { expect, test } from "bun:test";
import { requireName } from "../../../src/cli/configs/names.ts";
import { createUi, type Ui } from "../../../src/cli/ui.ts";

test("a given name asks nobody and lists nothing", async () => {
  const asked = Promise.reject(new Error("asked"));
  asked.catch(() => {});
  const ui: Ui = { ...createUi(), isInteractive: () => asked };
  expect(await requireName("dev", ui, { kind: "configs", hint: "", list: () => asked })).toBe("dev");
});
