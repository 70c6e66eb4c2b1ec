import { expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { checkOwnExecutable, checkProcesses, checkShell } from "../../../src/cli/doctor/shell.ts";
import { version } from "../../../src/version.ts";
import { Home, hostMachine } from "../fakes/machines.ts";

test("variables that win are named, and their values are not", () => {
  expect(checkShell({ environment: { AWS_PROFILE: "dev", AWS_ACCESS_KEY_ID: "" } })).toMatchObject([{ level: "ok" }]);
  const environment = { AWS_ACCESS_KEY_ID: "SECRET", AWS_SECRET_ACCESS_KEY: "SECRET" };
  expect(checkShell({ environment })).toEqual([
    {
      level: "warning",
      message: "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY of this shell win over credential_process",
      fix: "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY",
    },
  ]);
});

async function checkProfile(home: Home, process: string) {
  home.write(".aws/config", `[profile p]\ncredential_process = ${process}\n`);
  return checkProcesses(await hostMachine(home, { command: ["/opt/keyhole"] }, { PATH: home.path }));
}

test("a profile that runs keyhole where it is, for a config that there is, is fine", async () => {
  using home = new Home();
  home.config("dev");
  const executable = home.write("keyhole", "", 0o755);
  expect(await checkProfile(home, "/usr/bin/other")).toEqual([]);
  for (const word of [executable, "keyhole", `"${executable}"`])
    expect(await checkProfile(home, `${word} export -n dev`)).toMatchObject([{ level: "ok" }]);
});

test.each([
  ["/gone/keyhole export -n dev", "profile 'p' runs /gone/keyhole, which is not there", "-n dev' --profile p"],
  ["keyhole-old export -n dev", "profile 'p' runs keyhole-old, which is not there", "-n dev' --profile p"],
  ["HOME/keyhole-flat export -n dev", "which may not be run", "chmod +x"],
  ["HOME/keyhole export -n devv", "profile 'p' asks for config devv, which does not exist", "-n dev' --profile p"],
  [
    "HOME/keyhole export -n other",
    "profile 'p' asks for config other, which does not exist",
    "keyhole config add -n other",
  ],
])("%s is a problem", async (process, message, fix) => {
  using home = new Home();
  home.config("dev");
  home.write("keyhole", "", 0o755);
  home.write("keyhole-flat", "", 0o644);
  expect(await checkProfile(home, process.replace("HOME", home.path))).toMatchObject([
    { level: "problem", message: expect.stringContaining(message), fix: expect.stringContaining(fix) },
  ]);
});

test("the keyhole on the PATH is this one, another of its version, or named", async () => {
  using home = new Home();
  const own = home.write("opt/keyhole", "", 0o755);
  const bin = home.make("bin");
  const check = async (answer: string | undefined, command = [own]) =>
    checkOwnExecutable(await hostMachine(home, { command, versionOf: () => Promise.resolve(answer) }, { PATH: bin }));
  expect(await check(undefined)).toEqual([]);
  symlinkSync(own, join(bin, "keyhole"));
  expect(await check(undefined)).toMatchObject([{ level: "ok" }]);
  expect(await check(undefined, ["/usr/bin/bun", "main.ts"])).toEqual([]);
  const other = ["/elsewhere/keyhole"];
  expect(await check(version, other)).toMatchObject([{ level: "ok" }]);
  expect(await check("9.9.9", other)).toMatchObject([
    { level: "warning", message: expect.stringContaining("is keyhole 9.9.9, this is /elsewhere/keyhole") },
  ]);
  expect(await check(undefined, other)).toMatchObject([
    { level: "warning", message: expect.stringContaining("is no keyhole that runs") },
  ]);
});
