import { describe, expect, test } from "bun:test";
import { outcomeOf } from "./sdk.ts";
import { parseParameters, stringMembers, structureMembers } from "./query.ts";

test("form data is decoded, with plus as a space", () => {
  expect(Object.fromEntries(parseParameters("A=b+c%2B%C3%BC&D="))).toEqual({ A: "b c+ü", D: "" });
});

describe("members of a list", () => {
  test("come in the order of their numbers, not of their arrival", () => {
    const parameters = parseParameters("K.member.10=c&K.member.2=b&K.member.1=a&Key.member.1=other");
    expect(stringMembers(parameters, "K")).toEqual(["a", "b", "c"]);
  });

  test("may be structures", () => {
    const parameters = parseParameters("T.member.2.Key=c&T.member.1.Key=a&T.member.1.Value=b");
    expect(structureMembers(parameters, "T", ["Key", "Value"])).toEqual([{ Key: "a", Value: "b" }, { Key: "c" }]);
  });

  test.each(["PolicyArns.member.1", "PolicyArns.1.arn", "PolicyArns.member.0.arn", "PolicyArns.member.1.Arn"])(
    "are refused in the shape %s",
    async (name) => {
      const parameters = parseParameters(`${name}=x`);
      const read = Promise.try(() => structureMembers(parameters, "PolicyArns", ["arn"]));
      expect(await outcomeOf(read)).toMatchObject({ message: `Unexpected list element: ${name}` });
    },
  );
});
