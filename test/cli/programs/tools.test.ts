import { expect, test } from "bun:test";
import { formatCommand, runTools, toolFailure } from "../../../src/cli/programs/tools.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { errorOf } from "../../daemon/fakes/world.ts";

test("a command is shown as it can be pasted", () => {
  expect(formatCommand(["install", "-d", "/a b", "it's"])).toBe(String.raw`install -d '/a b' 'it'\''s'`);
});

test("commands run in their order, each announced, up to the first that fails, which is the hint", async () => {
  const ran: string[] = [];
  const said: string[] = [];
  const runTool = async ([program]: readonly string[]) => {
    ran.push(program!);
    return { status: program === "b" ? 4 : 0, stdout: "", stderr: "no\nmore\n" };
  };
  const failure = (await errorOf(
    runTools([["a"], ["b", "x"], ["c"]], { runTool }, (line) => said.push(line)),
  )) as KeyholeError;
  expect([ran, said]).toEqual([
    ["a", "b"],
    ["$ a", "$ b x"],
  ]);
  expect([failure.message, failure.hint]).toEqual(["b failed (exit 4): no", "b x"]);
});

test.each([
  [{ status: 127, stdout: "", stderr: "" }, "t is not installed"],
  [{ status: 1, stdout: "", stderr: "" }, "t failed (exit 1)"],
  [{ status: 1, stdout: "", stderr: "\u001b[31mred" }, /^t failed \(exit 1\): \P{Cc}*red$/u],
])("%j is said in one line", (result, message) => {
  expect(toolFailure(["t"], result).message).toMatch(message);
});
