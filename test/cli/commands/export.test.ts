import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { formatNames } from "../../../src/cli/vending/formats.ts";
import { PROCESS_LINE, startFakeDaemon, vended } from "../fakes/daemon.ts";
import { keyhole } from "../fakes/world.ts";

const daemonOfDev = () => startFakeDaemon({ Vend: ({ config }) => vended(config, "eu-west-1") });

test("credential-process prints the daemon's bytes and nothing else", async () => {
  await using daemon = daemonOfDev();
  const words = ["--socket-path", daemon.socket, "export", "--format", "credential-process", "-n", "dev"];
  const result = await keyhole(words, { environment: { KEYHOLE_HOME: daemon.home } });
  expect(result).toEqual({ exit: 0, stdout: PROCESS_LINE, stderr: "", questions: [] });
});

test("json is the default and has elhaz's keys", async () => {
  await using daemon = daemonOfDev();
  const result = await keyhole(["-sp", daemon.socket, "export", "-n", "dev"], { environment: { HOME: "/h" } });
  expect(Object.keys(JSON.parse(result.stdout) as object)).toEqual([
    "access_key",
    "secret_key",
    "token",
    "expiry_time",
  ]);
  expect(result.stdout).toStartWith('{\n  "access_key": ');
});

test.each(formatNames)("%s ends with one newline, and tells nothing when obscured", async (format) => {
  await using daemon = daemonOfDev();
  const words = ["-sp", daemon.socket, "export", "-n", "dev", "-f", format];
  expect((await keyhole(words, { environment: { HOME: "/h" } })).stdout).toMatch(/[^\n]\n$/);
  const { stdout } = await keyhole([...words, "-o"], { environment: { HOME: "/h" } });
  expect(stdout).toContain("***");
  expect(stdout).not.toContain("ken==");
});

test("--json is json, and no other format beside it", async () => {
  await using daemon = startFakeDaemon({ Vend: ({ config }) => vended(config) });
  const words = ["--socket-path", daemon.socket, "export", "-n", "dev"];
  const environment = { HOME: daemon.home };
  expect(await keyhole([...words, "--json"], { environment })).toEqual(await keyhole(words, { environment }));
  expect(await keyhole([...words, "--json", "-f", "env"], { environment })).toMatchObject({ exit: 2, stdout: "" });
});

test("without a name a person chooses among the saved configs", async () => {
  await using daemon = daemonOfDev();
  const configs = `${daemon.home}/configs`;
  mkdirSync(configs, { mode: 0o700 });
  writeFileSync(`${configs}/dev.yaml`, "AssumeRole: {}\n", { mode: 0o600 });
  const result = await keyhole(["-sp", daemon.socket, "export"], {
    environment: { KEYHOLE_HOME: daemon.home },
    answers: ["dev"],
  });
  expect(result).toMatchObject({ exit: 0, questions: ["Which one?"] });
  expect(daemon.requests.at(-1)!.body).toEqual({ config: "dev" });
});

test("without a name and without configs nobody is asked", async () => {
  await using daemon = daemonOfDev();
  const environment = { KEYHOLE_HOME: daemon.home };
  const result = await keyhole(["-sp", daemon.socket, "export"], { environment, answers: ["dev"] });
  expect(result).toMatchObject({ exit: 4, questions: [] });
  expect(result.stderr).toBe("keyhole: error: there are no configs\nkeyhole: hint: keyhole config add\n");
});

test("whoever interrupts the question leaves with 130", async () => {
  await using daemon = daemonOfDev();
  const configs = `${daemon.home}/configs`;
  mkdirSync(configs, { mode: 0o700 });
  writeFileSync(`${configs}/dev.yaml`, "", { mode: 0o600 });
  const environment = { KEYHOLE_HOME: daemon.home };
  expect((await keyhole(["export"], { environment, answers: [] })).exit).toBe(130);
});
