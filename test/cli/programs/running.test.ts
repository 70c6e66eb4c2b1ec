import { describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startFakeDaemon, vended } from "../fakes/daemon.ts";

const main = join(import.meta.dir, "../../../src/main.ts");

/** The real program, from source, as a process of its own; `env` of its child on stdout. */
async function keyhole(words: readonly string[], environment: Readonly<Record<string, string>>) {
  const child = Bun.spawn([process.execPath, main, ...words], {
    env: { PATH: "/usr/bin:/bin", ...environment },
    stdin: "ignore",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return { pid: child.pid, exit: child.exitCode, signal: child.signalCode, stdout, stderr };
}

function variables(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .trim()
      .split("\n")
      .map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
}

const daemonOfDev = (region?: string) => startFakeDaemon({ Vend: ({ config }) => vended(config, region) });

describe("exec", () => {
  test("becomes the child: same process, its own arguments, the credentials in its environment", async () => {
    await using daemon = daemonOfDev("eu-west-1");
    const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket, AWS_PROFILE: "base" };
    const words = ["exec", "-n", "dev", "--", "sh", "-c", 'echo "$$ $*"; env', "sh", "--help", "--", "-n"];
    const result = await keyhole(words, environment);
    const [first, ...rest] = result.stdout.split("\n");
    expect(first).toBe(`${result.pid} --help -- -n`);
    expect(variables(rest.join("\n"))).toMatchObject({
      AWS_ACCESS_KEY_ID: "ASIAEXAMPLE",
      AWS_SECRET_ACCESS_KEY: "se/cr+et",
      AWS_SESSION_TOKEN: "to//ken==",
      AWS_CREDENTIAL_EXPIRATION: "2026-11-20T13:00:00Z",
      AWS_REGION: "eu-west-1",
      AWS_DEFAULT_REGION: "eu-west-1",
    });
    expect(variables(rest.join("\n"))).not.toHaveProperty("AWS_PROFILE");
    expect(result.exit).toBe(0);
  });

  test("leaves with the child's status and by the child's signal", async () => {
    await using daemon = daemonOfDev();
    const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket };
    const run = (script: string) => keyhole(["exec", "-n", "dev", "--", "sh", "-c", script], environment);
    expect((await run("exit 42")).exit).toBe(42);
    expect((await run("kill -TERM $$")).signal).toBe("SIGTERM");
  });

  test("is 127 where the program is not found, 126 where it may not be run", async () => {
    await using daemon = daemonOfDev();
    const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket };
    const missing = await keyhole(["exec", "-n", "dev", "--", "no-such-program"], environment);
    expect(missing).toMatchObject({ exit: 127, stdout: "" });
    expect(missing.stderr).toStartWith("keyhole: error: no-such-program: command not found\n");
    const file = join(daemon.home, "plain");
    writeFileSync(file, "");
    chmodSync(file, 0o600);
    expect((await keyhole(["exec", "-n", "dev", "--", file], environment)).exit).toBe(126);
  });

  test("with --refresh gives no keys, and a config file whose command gives fresh ones", async () => {
    await using daemon = daemonOfDev("eu-west-1");
    const environment = {
      KEYHOLE_HOME: daemon.home,
      KEYHOLE_SOCKET: daemon.socket,
      AWS_SECRET_ACCESS_KEY: "old",
      AWS_REGION: "us-east-1",
      AWS_DEFAULT_REGION: "us-east-2",
    };
    const script = `env; eval "$(sed -n 's/^credential_process = //p' "$AWS_CONFIG_FILE" | head -n 1)"`;
    const { stdout, exit } = await keyhole(["exec", "--refresh", "-n", "dev", "--", "sh", "-c", script], environment);
    expect(exit).toBe(0);
    expect(stdout).toEndWith(new TextDecoder().decode(vended("dev").line));
    const seen = variables(stdout.slice(0, stdout.lastIndexOf("{")));
    expect(seen).toMatchObject({
      AWS_REGION: "us-east-1",
      AWS_DEFAULT_REGION: "us-east-2",
      AWS_CONFIG_FILE: expect.stringContaining(daemon.home) as string,
    });
    expect(seen).not.toHaveProperty("AWS_SECRET_ACCESS_KEY");
  });
});

test("shell becomes $SHELL with a refreshing environment and says so on stderr", async () => {
  await using daemon = daemonOfDev();
  const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket, SHELL: "/usr/bin/env" };
  const result = await keyhole(["shell", "-n", "dev"], environment);
  expect(result.exit).toBe(0);
  expect(variables(result.stdout)).toHaveProperty("AWS_CONFIG_FILE");
  expect(result.stderr).toBe("keyhole: /usr/bin/env with credentials of dev, renewed as needed; leave it with exit\n");
});
