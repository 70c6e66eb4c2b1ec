import { expect, test } from "bun:test";
import { createUi, stripControls, toKeyholeError } from "../../src/cli/ui.ts";
import { KeyholeError } from "../../src/errors.ts";

function recorder() {
  const lines: string[] = [];
  return { lines, ui: createUi((line) => void lines.push(line)) };
}

test("an error is one line and its hint another", () => {
  const { lines, ui } = recorder();
  ui.fail(new KeyholeError("unreachable", "no daemon listens at /s"));
  expect(lines).toEqual(["keyhole: error: no daemon listens at /s", "keyhole: hint: keyhole daemon start"]);
});

test("an error without a hint is one line", () => {
  const { lines, ui } = recorder();
  ui.fail(new KeyholeError("forbidden", "not here"));
  expect(lines).toEqual(["keyhole: error: not here"]);
});

test("a list of problems stays a list", () => {
  const { lines, ui } = recorder();
  ui.fail(new KeyholeError("aws-refused", "two problems\nfirst\n  second"));
  expect(lines).toEqual(["keyhole: error: two problems", "  first", "  second"]);
});

test("an exception from elsewhere shows its kind, never its message or its stack", () => {
  const { lines, ui } = recorder();
  ui.fail(Object.assign(new TypeError("with a SECRET"), { code: "EIO" }));
  ui.fail("SECRET");
  expect(lines.join("\n")).not.toContain("SECRET");
  expect(lines.join("\n")).not.toContain("  at ");
  expect(lines[0]).toBe("keyhole: error: something that keyhole did not expect (TypeError, EIO)");
  expect(toKeyholeError(undefined).exitStatus).toBe(1);
});

test.each([
  ["\u001b[31mred\u001b[0m", String.raw`\x1b[31mred\x1b[0m`],
  ["title \u001b]0;x\u0007", String.raw`title \x1b]0;x\x07`],
  ["back\b\rspace\u007f", String.raw`back\x08\x0dspace\x7f`],
  ["C1 \u009b31m", String.raw`C1 \x9b31m`],
  ["right\u202eto left", String.raw`right\u202eto left`],
  ["separator\u2028", String.raw`separator\u2028`],
  ["tab\tand\nnewline, ünï", "tab\tand\nnewline, ünï"],
])("%j becomes %j", (text, expected) => {
  expect(stripControls(text)).toBe(expected);
});

test("what came from outside cannot forge a second line or reach the terminal", () => {
  const { lines, ui } = recorder();
  ui.warn("a\u001b[2J\nkeyhole: error: forged", "h\nint");
  expect(lines).toEqual([String.raw`keyhole: warning: a\x1b[2J keyhole: error: forged`, "keyhole: hint: h int"]);
});
