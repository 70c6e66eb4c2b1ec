import { expect, test } from "bun:test";
import {
  exitStatusOf,
  ok,
  problem,
  renderFindings,
  runChecks,
  verdicts,
  warning,
} from "../../../src/cli/doctor/finding.ts";
import { KeyholeError } from "../../../src/errors.ts";

const never = () => new Promise<void>(() => {});

test("each finding has the id of its check, in the order of the table", async () => {
  const checks = { one: () => [ok("fine")], two: async () => [warning("so", "do"), problem("no", "mend")] };
  expect(await runChecks(checks, {}, never)).toEqual([
    { id: "one", level: "ok", message: "fine" },
    { id: "two", level: "warning", message: "so", fix: "do" },
    { id: "two", level: "problem", message: "no", fix: "mend" },
  ]);
});

test("a check that fails leaves the others alone, and shows no foreign words", async () => {
  const checks = {
    refused: () => {
      throw new KeyholeError("unsafe-path", "/x can be written by others", "chmod go-w /x");
    },
    broken: () => Promise.reject(Object.assign(new Error("SECRET"), { code: "EIO" })),
    fine: () => [ok("fine")],
  };
  expect(await runChecks(checks, {}, never)).toEqual([
    { id: "refused", level: "problem", message: "/x can be written by others", fix: "chmod go-w /x" },
    { id: "broken", level: "warning", message: "cannot be checked (EIO)", fix: "keyhole doctor --json" },
    { id: "fine", level: "ok", message: "fine" },
  ]);
});

test("a check that hangs is given up", async () => {
  const found = await runChecks({ hangs: () => new Promise<never>(() => {}) }, {}, () => Promise.resolve());
  expect(found).toEqual([{ id: "hangs", level: "warning", message: "not known after 8 s", fix: "keyhole doctor" }]);
});

test("a person reads a line for each, with what to paste below it and no control in either", () => {
  const findings = [
    { id: "places", ...ok("fine") },
    { id: "x", ...problem("no\u001b[31m\nsecond", "rm a\nb") },
  ];
  expect(renderFindings(findings, false)).toBe(
    ["problem  x       no\\x1b[31m second", "  fix: rm a b", "ok       places  fine"].join("\n"),
  );
});

test("in brief what is in order is counted", () => {
  const findings = [
    { id: "places", ...ok("fine") },
    { id: "x", ...warning("late", "rm a") },
  ];
  expect(renderFindings(findings, true)).toBe(
    ["warning  x  late", "  fix: rm a", "1 checks are ok: keyhole doctor --wide"].join("\n"),
  );
});

test("a problem is exit status 1, and a warning is not", () => {
  const lists = [[], [ok("")], [warning("", "")], [warning("", ""), problem("", "")]];
  const statuses = lists.map((list) => exitStatusOf(list.map((verdict) => ({ id: "x", ...verdict }))));
  expect(statuses).toEqual([0, 0, 0, 1]);
});

test("a list of nothing wrong says so", () => {
  expect(verdicts([], "fine")).toEqual([ok("fine")]);
  expect(verdicts([warning("a", "b")], "fine")).toEqual([warning("a", "b")]);
});
