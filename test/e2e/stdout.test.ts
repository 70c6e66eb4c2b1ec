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
  await using machine = await createMachine({ configs: ["one"] });
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

test.skipIf(process.platform !== "linux")("a closed stdout is an error, /dev/null is none", async () => {
  await using machine = await createMachine({ configs: ["one"] });
  await machine.keyhole("daemon start");
  await machine.keyhole("daemon add -n one");
  const { environment: env, home } = machine;
  for (const command of ["--version", ...commands]) {
    const options = { env, cwd: `${home}/work`, stdin: "ignore", stdout: "ignore", stderr: "pipe" } as const;
    const words = [executable, ...command.split(" ")];
    const closed = Bun.spawnSync(["sh", "-c", 'exec "$@" >&-', "sh", ...words], options);
    expect({ command, exitCode: closed.exitCode, stderr: closed.stderr.toString() }).toEqual({
      command,
      exitCode: 1,
      stderr: "keyhole: error: stdout is closed\nkeyhole: hint: end the command with >FILE, or with >/dev/null\n",
    });
    // Opened for reading and writing, as Bun opens it, and by a shell.
    const ignored = Bun.spawnSync(words, options);
    const thrown = Bun.spawnSync(["sh", "-c", 'exec "$@" >/dev/null', "sh", ...words], options);
    expect([command, ignored.exitCode, thrown.exitCode]).toEqual([command, 0, 0]);
  }
});
