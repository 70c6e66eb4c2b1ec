import { expect, test } from "bun:test";
import { createList } from "../../src/cli/prompts.ts";

const size = { columns: 80, rows: 24 };
const list = createList([
  { value: "dev", details: ["111122223333", "reader", "42 min left"] },
  { value: "prod", details: ["444455556666", "Admin", ""] },
  { value: "test", details: ["444455556666", "reader", "expired"] },
]);

test("every choice is a line, the one that Enter takes is marked", () => {
  expect(list.render("", 1, size)).toEqual([
    "  dev   111122223333  reader  42 min left",
    "> prod  444455556666  Admin",
    "  test  444455556666  reader  expired",
  ]);
});

test("what is typed filters by name, account, role and state, in any order and case", () => {
  const values = (typed: string) => list.filter(typed).map(({ value }) => value);
  expect(values("4444 READER")).toEqual(["test"]);
  expect(values("admin")).toEqual(["prod"]);
  expect(values("min")).toEqual(["dev", "prod"]);
  expect(values("nothing")).toEqual([]);
  expect(list.render("4444", 0, size)).toEqual([
    "> prod  444455556666  Admin",
    "  test  444455556666  reader  expired",
    "  2 of 3",
  ]);
});

test("no line is wider than the terminal, and what Enter takes is among those that fit", () => {
  const many = createList(
    Array.from({ length: 50 }, (_, index) => ({ value: `c${index}`, details: ["x".repeat(90)] })),
  );
  const lines = many.render("", 40, { columns: 30, rows: 8 });
  expect(lines).toHaveLength(7);
  expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThan(30);
  expect(lines.filter((line) => line.startsWith("> c40 "))).toHaveLength(1);
  expect(lines.at(-1)).toBe("  50 of 50");
});

test("what others wrote cannot move the cursor", () => {
  expect(createList([{ value: "a\u001B[2J", details: ["b\nc"] }]).render("", 0, size)).toEqual(["> a\\x1b[2J  b c"]);
});
