import { expect, test } from "bun:test";
import { utimesSync } from "node:fs";
import { checkLeftovers, checkMemory } from "../../../src/cli/doctor/disk.ts";
import { Home, hostMachine } from "../fakes/machines.ts";
import { NOW } from "../fakes/world.ts";

const UUID = "01234567-89ab-cdef-0123-456789abcdef";

test("files that nobody finished are named once they are old", async () => {
  using home = new Home();
  const machine = await hostMachine(home);
  expect(checkLeftovers(machine)).toMatchObject([{ level: "ok" }]);
  const path = home.write(`.keyhole/configs/.dev.yaml.${UUID}`);
  utimesSync(path, NOW / 1000 - 30, NOW / 1000 - 30);
  expect(checkLeftovers(machine)).toMatchObject([{ level: "ok" }]);
  utimesSync(path, NOW / 1000 - 90, NOW / 1000 - 90);
  expect(checkLeftovers(machine)).toEqual([
    {
      level: "warning",
      message: `1 file was left unfinished in ${machine.settings.paths.configDir}`,
      fix: `rm -- ${path}`,
    },
  ]);
});

test("a memory of sessions that cannot be read is named", async () => {
  using home = new Home();
  const machine = await hostMachine(home);
  expect(checkMemory(machine)).toEqual([]);
  home.write(".keyhole/run/sessions.json", `{"format":1,"configDir":"/c","sessions":[]}\n`);
  expect(checkMemory(machine)).toMatchObject([{ level: "ok" }]);
  const broken = home.write(".keyhole/run/sessions-abc.json", "SECRET");
  expect(checkMemory(machine)).toEqual([
    {
      level: "warning",
      message: `a daemon that starts brings no session back: ${broken} is not a memory of sessions`,
      fix: `rm ${broken}`,
    },
  ]);
});

test("a memory that others may write to is not believed", async () => {
  using home = new Home();
  home.write(".keyhole/run/sessions.json", `{"sessions":[]}`, 0o666);
  expect(checkMemory(await hostMachine(home))).toMatchObject([
    { level: "warning", message: expect.stringContaining("can be written by others") },
  ]);
});
