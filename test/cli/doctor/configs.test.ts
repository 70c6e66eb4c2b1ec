import { expect, test } from "bun:test";
import { checkConfigKeys, checkConfigs } from "../../../src/cli/doctor/sources.ts";
import { Home, hostMachine } from "../fakes/machines.ts";

test("every problem of every config is named, without a value", async () => {
  using home = new Home();
  home.config("dev");
  const machine = await hostMachine(home);
  expect(checkConfigs(machine)).toEqual([{ level: "ok", message: "1 valid" }]);
  home.write(".keyhole/configs/bad.yaml", "AssumeRole:\n  RoleArn: SECRET\n");
  const found = checkConfigs(machine);
  expect(found).toMatchObject([
    {
      level: "problem",
      message: expect.stringContaining("bad: line 2: AssumeRole.RoleArn"),
      fix: "keyhole config update --editor -n bad",
    },
  ]);
  expect(JSON.stringify(found)).not.toContain("SECRET");
});

test("a config that others may write to is a problem", async () => {
  using home = new Home();
  home.write(".keyhole/configs/open.yaml", "", 0o666);
  expect(checkConfigs(await hostMachine(home))).toMatchObject([
    { level: "problem", message: expect.stringContaining("can be written by others") },
  ]);
});

test("a config that holds keys is named, and the keys are not", async () => {
  using home = new Home();
  home.config("dev");
  const machine = await hostMachine(home);
  expect(checkConfigKeys(machine)).toMatchObject([{ level: "ok" }]);
  for (const section of ["STS", "Session"]) {
    const keys = [`${section}:`, "  aws_access_key_id: AKIASECRET", "  aws_secret_access_key: SECRET"];
    home.config(section.toLowerCase(), ...keys);
  }
  const found = checkConfigKeys(machine);
  expect(found.map(({ level, message }) => [level, message.split(" holds")[0]])).toEqual([
    ["warning", "session: its Session section"],
    ["warning", "sts: its STS section"],
  ]);
  expect(JSON.stringify(found)).not.toContain("SECRET");
});
