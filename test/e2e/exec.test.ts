// exec and shell: another program in this process's place, with a role.
import { expect, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { credentialsFile, moveKeysToFile } from "./keyfile.ts";
import { createMachine, executable } from "./machine.ts";

async function start() {
  const machine = await createMachine();
  await machine.addConfig("dev", "Session.region_name=eu-west-1");
  await machine.keyhole("daemon start");
  return machine;
}

/** `env`'s output as an object. */
const variables = (text: string) =>
  Object.fromEntries(
    text
      .trimEnd()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );

test("exec sets keys, expiry and region, and removes what would win over them", async () => {
  await using machine = await start();
  writeFileSync(moveKeysToFile(machine)[1]!, credentialsFile(machine.sts.root, "other"));
  const env = { AWS_PROFILE: "other", AWS_ROLE_ARN: "arn", AWS_SECURITY_TOKEN: "old", KEEP: "this" };
  const { stdout } = await machine.run(["exec", "-n", "dev", "--", "env"], { env });
  const inside = variables(stdout);
  expect(inside["AWS_ACCESS_KEY_ID"]).toStartWith("ASIA");
  expect(machine.sts.issued.get(inside["AWS_ACCESS_KEY_ID"]!)!.secretAccessKey).toBe(inside["AWS_SECRET_ACCESS_KEY"]!);
  expect(inside["AWS_CREDENTIAL_EXPIRATION"]).toMatch(/Z$/);
  expect(inside["AWS_REGION"]).toBe("eu-west-1");
  expect(inside["AWS_DEFAULT_REGION"]).toBe("eu-west-1");
  expect(inside["KEEP"]).toBe("this");
  for (const name of ["AWS_PROFILE", "AWS_ROLE_ARN", "AWS_SECURITY_TOKEN"]) expect(inside).not.toHaveProperty(name);
});

test("exec becomes the program: same process, standard streams, exit status", async () => {
  await using machine = await start();
  const child = machine.spawn(["exec", "-n", "dev", "--", "sh", "-c", 'echo "$$"; cat; echo oops >&2; exit 7'], {
    stdin: "from stdin\n",
  });
  expect(await new Response(child.stdout).text()).toBe(`${child.pid}\nfrom stdin\n`);
  expect(await new Response(child.stderr).text()).toBe("oops\n");
  expect(await child.exited).toBe(7);
});

test("a signal's death is the program's own", async () => {
  await using machine = await start();
  const { exitCode } = await machine.run(["exec", "-n", "dev", "--", "sh", "-c", "kill -TERM $$"]);
  expect(exitCode).toBe(143);
});

test("signals that Bun ignores are back to normal in the program", async () => {
  await using machine = await start();
  const { stdout } = await machine.run(["exec", "-n", "dev", "--", "grep", "SigIgn", "/proc/self/status"]);
  expect(stdout).toBe("SigIgn:\t0000000000000000\n");
});

test("everything behind -- is the program's, --help and -n included", async () => {
  await using machine = await start();
  const { stdout } = await machine.run(["exec", "-n", "dev", "--", "echo", "--help", "-n", "--", "x  y", "*"]);
  expect(stdout).toBe("--help -n -- x  y *\n");
});

test("bytes that are not UTF-8 reach the program as they are, in arguments and variables", async () => {
  await using machine = await start();
  const script = String.raw`V=$(printf '\342\202\377') exec "$0" "$1" -n dev -- sh -c 'printf "%s|%s|%s" "$1" "$V" "$2" | od -An -c' x "$(printf 'a\377\376')" "$(printf 'gr\303\274n')"`;
  for (const words of [["exec"], ["exec", "--refresh"]]) {
    const under = ["bash", "-c", script.replace('"$1"', words.join(" "))];
    expect((await machine.run([], { under })).stdout.split(/\s+/).join(" ").trim()).toBe(
      "a 377 376 | 342 202 377 | g r 303 274 n",
    );
  }
});

test.each([
  ["a program that is not there is 127", "nowhere-to-be-found", 127],
  ["a path that is not there is 127", "/nonexistent/program", 127],
  ["a file that is no program is 126", "/etc/passwd", 126],
  ["a directory is 126", "/tmp", 126],
])("%s", async (_, program, status) => {
  await using machine = await start();
  const { stderr, exitCode } = await machine.run(["exec", "-n", "dev", "--", program]);
  expect(stderr).toStartWith("keyhole: error: ");
  expect(exitCode).toBe(status);
});

test("without a program exec is a usage error, before anything is asked", async () => {
  await using machine = await start();
  for (const words of [
    ["exec", "-n", "dev"],
    ["exec", "-n", "dev", "--"],
  ]) {
    const { exitCode } = await machine.run(words);
    expect(exitCode).toBe(2);
  }
  expect(machine.sts.count()).toBe(0);
});

test("exec --refresh gives no keys but a config file that always gets fresh ones", async () => {
  await using machine = await start();
  writeFileSync(moveKeysToFile(machine)[1]!, credentialsFile(machine.sts.root, "x"));
  const { stdout } = await machine.run(["exec", "--refresh", "-n", "dev", "--", "env"], { env: { AWS_PROFILE: "x" } });
  const inside = variables(stdout);
  for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"]) {
    expect(inside).not.toHaveProperty(name);
  }
  expect(readFileSync(inside["AWS_SHARED_CREDENTIALS_FILE"]!, "utf8")).toBe("");
  const config = readFileSync(inside["AWS_CONFIG_FILE"]!, "utf8");
  expect(config).not.toContain("[default]");
  expect(config).toContain("[profile default]");
  const command = /^credential_process = (.*)$/m.exec(config)![1]!;
  const answer = Bun.spawnSync(["sh", "-c", command], { env: inside });
  expect(JSON.parse(answer.stdout.toString())).toHaveProperty("SessionToken");
});

test("a shell's tools come back for credentials also after the daemon has lost the session", async () => {
  await using machine = await start();
  const shell = join(machine.home, "my-shell");
  const source = '#!/bin/sh\n. "$HOME/script"\n';
  writeFileSync(shell, source);
  chmodSync(shell, 0o755);
  // Keys that only the outer environment's file has.
  const outer = join(machine.home, "outer-credentials");
  writeFileSync(outer, credentialsFile(machine.sts.root));
  writeFileSync(
    join(machine.home, "script"),
    `eval "$(sed -n 's/^credential_process = //p' "$AWS_CONFIG_FILE" | head -n 1)" | cut -c 1-60\nexit 5\n`,
  );
  const env = {
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_SHARED_CREDENTIALS_FILE: outer,
    SHELL: shell,
  };
  const first = await machine.run(["shell", "-n", "dev"], { env });
  expect(first.stdout).toStartWith('{"Version":1,"AccessKeyId":"ASIA');
  expect(first.stderr).toContain("dev");
  expect(first.exitCode).toBe(5);
  writeFileSync(
    join(machine.home, "script"),
    `"$KEYHOLE" daemon remove -n dev; eval "$(sed -n 's/^credential_process = //p' "$AWS_CONFIG_FILE" | head -n 1)" | cut -c 1-60`,
  );
  const second = await machine.run(["shell", "-n", "dev"], { env: { ...env, KEYHOLE: executable } });
  expect(second.stdout).toStartWith('{"Version":1,"AccessKeyId":"ASIA');
});

test.each(["sh", "bash", "dash", "zsh", "fish"])("export's format for %s sets the variables there", async (shell) => {
  const path = Bun.which(shell);
  // A shell that is not installed is not a failure here; .ci/run installs all of them.
  if (path === null) {
    console.error(`skipped: ${shell} is not installed`);
    return;
  }
  await using machine = await start();
  const script =
    shell === "fish"
      ? '"$KEYHOLE" export -f fish -n dev | source; env'
      : 'eval "$("$KEYHOLE" export -f env -n dev)"; env';
  // Not spawnSync: the STS lives in this process.
  const child = Bun.spawn([path, "-c", script], { env: { ...machine.environment, KEYHOLE: executable } });
  const inside = variables(await new Response(child.stdout).text());
  expect(machine.sts.issued.get(inside["AWS_ACCESS_KEY_ID"]!)!.secretAccessKey).toBe(inside["AWS_SECRET_ACCESS_KEY"]!);
  expect(inside["AWS_REGION"]).toBe("eu-west-1");
});
