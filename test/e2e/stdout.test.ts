// What arrives where stdout leads: behind what is there, or not at all and then with an error.
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { createMachine, executable } from "./machine.ts";

const commands = [
  "export -f credential-process -n one",
  "export -f credential-process --client-timeout 9 -n one",
  "export -f env -n one",
  "config get -n one",
  "config list",
  "daemon list",
  "completion bash",
];

test("what is appended to a file stands behind what was there, and a full disk is an error", async () => {
  await using machine = await createMachine();
  await machine.addConfig("one");
  await machine.keyhole("daemon start");
  await machine.keyhole("daemon add -n one");
  const { environment: env, home } = machine;
  const file = `${home}/appended`;
  for (const command of commands) {
    writeFileSync(file, "first\n");
    const words = ["sh", "-c", 'exec "$@" >>"$FILE"', "sh", executable, ...command.split(" ")];
    const append = (path: string) =>
      Bun.spawnSync(words, { env: { ...env, FILE: path }, cwd: `${home}/work`, stdin: "ignore", stderr: "pipe" });

    const { exitCode } = append(file);
    const [first, second] = readFileSync(file, "latin1").split("\n");
    expect({ command, exitCode, first }).toEqual({ command, exitCode: 0, first: "first" });
    expect(second).toMatch(/^[\x20-\x7e]+$/);

    const full = append("/dev/full");
    expect({ command, exitCode: full.exitCode }).toEqual({ command, exitCode: 1 });
    expect(full.stderr.toString()).toContain("keyhole: error: stdout cannot be written to");
  }
});
