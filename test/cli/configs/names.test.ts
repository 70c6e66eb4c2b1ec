import { expect, test } from "bun:test";
import { requireName } from "../../../src/cli/configs/names.ts";
import { createUi, type Ui } from "../../../src/cli/ui.ts";

test("a given name asks nobody and lists nothing", async () => {
  const asked = Promise.reject(new Error("asked"));
  asked.catch(() => {});
  const ui: Ui = { ...createUi({}), isInteractive: () => asked };
  const context = { ui } as Parameters<typeof requireName>[1];
  expect(await requireName("dev", context, { kind: "configs", hint: "", list: () => asked })).toBe("dev");
});
