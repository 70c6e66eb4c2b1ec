import { expect, test } from "bun:test";
import { carry } from "../../src/daemon/audit/file.ts";
import { lineOf } from "./fixture.ts";

const grant = (name: string, at: number) => lineOf({ kind: "grant", grant: name }, at);
const revoke = (name: string, at: number) => lineOf({ kind: "revoke", grant: name }, at);
const remove = (name: string, at: number) => lineOf({ kind: "remove", grant: name }, at);
const refused = (name: string, at: number) => lineOf({ kind: "grant", grant: name, outcome: "invalid-grant" }, at);

/** Bytes of lines in a file. */
const sizeOf = (...lines: string[]) => lines.join("\n").length + 1;

test("of a file that is dropped the lives of grants are carried over, in order, and nothing else", () => {
  const junk = lineOf({ kind: "junk", grant: "a", count: 1000 }, 2);
  const vend = lineOf({ kind: "vend", grant: "a" }, 3);
  const expire = lineOf({ kind: "expire", grant: "a" }, 5);
  const dropped = [junk, grant("a", 2), vend, "{cut", revoke("a", 4), expire, remove("a", 6)];
  expect(carry([grant("b", 1)], dropped)).toEqual([
    grant("b", 1),
    grant("a", 2),
    revoke("a", 4),
    expire,
    remove("a", 6),
  ]);
});

test("what a crash left in both files is carried once", () => {
  const lines = [grant("a", 1), revoke("a", 2)];
  expect(carry(lines, lines)).toEqual(lines);
});

test("over the bound the lives that ended longest ago go, each as a whole", () => {
  const old = [grant("a", 1), revoke("a", 2), remove("a", 3)];
  const young = [grant("b", 1), remove("b", 9)];
  const living = [grant("c", 1), revoke("c", 2)];
  const all = [...old, ...young, ...living];
  expect(carry(all, [], sizeOf(...all))).toEqual(all);
  expect(carry(all, [], sizeOf(...all) - 1)).toEqual([...young, ...living]);
  expect(carry(all, [], sizeOf(...living))).toEqual(living);
});

test("a name that is used again begins another life", () => {
  const first = [grant("a", 1), remove("a", 2)];
  const second = [grant("a", 3), revoke("a", 4)];
  expect(carry(first, second, sizeOf(...second))).toEqual(second);
});

test("a refused attempt is a life that ended at once, and makes none of a grant that lives", () => {
  const lines = [grant("a", 1), refused("a", 2), refused("b", 3)];
  expect(carry(lines, [], sizeOf(lines[0]!))).toEqual([lines[0]!]);
});

test("grants that exist are never forgotten: of each kind the first and the last line stay", () => {
  const revocations = Array.from({ length: 50 }, (_, index) => revoke("a", index + 2));
  const lines = [grant("a", 1), ...revocations, grant("b", 100)];
  expect(carry(lines, [], 1)).toEqual([grant("a", 1), revocations[0]!, revocations[49]!, grant("b", 100)]);
});
