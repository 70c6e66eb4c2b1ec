import { expect, test } from "bun:test";
import { select } from "../../src/audit/story.ts";
import { lineOf } from "./fixture.ts";

const lines = [
  lineOf({ kind: "vend", grant: "a" }, 40),
  lineOf({ kind: "vend", grant: "b" }, 30),
  "{cut",
  lineOf({ kind: "vend", config: "a" }, 20),
  lineOf({ kind: "grant", grant: "a" }, 10),
];

test.each([
  ["all", { limit: Infinity }, [40, 30, 20, 10], 1],
  ["at most so many", { limit: 2 }, [40, 30], 0],
  ["none", { limit: 0 }, [], 0],
  ["of one grant", { limit: Infinity, grant: "a" }, [40, 10], 1],
  ["before a moment", { limit: Infinity, beforeMs: 30 }, [20, 10], 1],
  ["all of it together", { limit: 1, grant: "a", beforeMs: 40 }, [10], 1],
])("%s", (_, wanted, times, malformed) => {
  const found = select(lines, wanted);
  expect(found.records.map(({ tsMs }) => tsMs)).toEqual(times);
  expect(found.malformed).toBe(malformed);
});

function* endless() {
  for (;;) yield lines[0]!;
}

test("no line is read beyond the last that is wanted", () => {
  expect(select(endless(), { limit: 3 }).records).toHaveLength(3);
});
