import { expect, test } from "bun:test";
import { isAtLeast, renderLogLine } from "../../../src/cli/logs/tail.ts";

const record = {
  time: "2026-11-20T12:00:00.000Z",
  level: "info",
  event: "session renewed",
  config: "dev",
  failures: 0,
};

test.each([
  [record, "2026-11-20T12:00:00.000Z INFO  session renewed  config=dev  failures=0"],
  [{ ...record, error: "not found: x" }, 'error="not found: x"'],
  [{ ...record, error: 'say "x"' }, String.raw`error="say \"x\""`],
  [{ ...record, error: "\u001b[31m" }, String.raw`error=\x1b[31m`],
  [{ ...record, event: "a\nb" }, String.raw`a\nb`],
  [{ ...record, "key\u001b": "x" }, "key"],
  [{ ...record, peer: { uid: 1 } }, 'peer={"uid":1}'],
])("%j is shown as %j", (line, expected) => {
  const shown = renderLogLine(JSON.stringify(line));
  expect(shown).toContain(expected);
  expect(shown).not.toMatch(/\p{Cc}/u);
});

test.each(["cut by a cra", "[]", "null", '"text"', "{}", '{"level":"info"}', "bad \u001b[31m"])(
  "the foreign line %j is shown as it is, without control characters",
  (line) => {
    expect(renderLogLine(line)).toBe(line.replace("\u001b", String.raw`\x1b`));
    expect(isAtLeast(line, "error")).toBe(true);
  },
);

test("levels are ordered", () => {
  const line = JSON.stringify({ ...record, level: "warn" });
  expect((["info", "warn", "error"] as const).map((level) => isAtLeast(line, level))).toEqual([true, true, false]);
});
