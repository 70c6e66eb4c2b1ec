// Whose environment counts: each shell's own, for what the config leaves open.
import { expect, test } from "bun:test";
import { createMachine } from "./machine.ts";

test.each([
  ["exec -n dev -- printenv AWS_REGION", "ap-southeast-2\n"],
  ["exec --refresh -n dev -- printenv AWS_REGION", "ap-southeast-2\n"],
  ["export -f env -n dev", "export AWS_REGION=ap-southeast-2\n"],
])("the region of %s is the caller's, whoever asked before", async (command, expected) => {
  await using machine = await createMachine();
  await machine.addConfig("dev");
  await machine.keyhole("export -n dev", { env: { AWS_REGION: "eu-west-1" } });
  expect(await machine.keyhole(command, { env: { AWS_REGION: "ap-southeast-2" } })).toContain(expected);
  // Nor is the first caller's for those who name none.
  expect((await machine.run(command.split(" "))).stdout).not.toContain("eu-west-1");
});
