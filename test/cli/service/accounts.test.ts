import { expect, test } from "bun:test";
import { checkAccountName, requireRoot } from "../../../src/cli/service/requirements.ts";
import { thrownBy } from "../../thrown.ts";

test.each(["agent", "_svc", "a.b-c_1", "machine$"])("%s may be the name of a user", (name) => {
  expect(checkAccountName(name, "--user")).toBe(name);
});

test.each(["", "-x", "--help", "a b", "a:b", "a/b", "ä", "1a", "a\n", "x".repeat(33)])("%j may not", (name) => {
  expect(thrownBy(() => checkAccountName(name, "--user"))).toMatchObject({
    kind: "usage",
    message: "--user is not the name of a user or a group",
  });
});

test("what needs root says the command that has it", () => {
  expect(thrownBy(() => requireRoot({ userId: () => 1000 }, "keyhole x"))).toMatchObject({
    kind: "forbidden",
    hint: "sudo keyhole x",
  });
  requireRoot({ userId: () => 0 }, "keyhole x");
});
