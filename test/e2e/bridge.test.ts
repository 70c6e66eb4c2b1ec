// keyhole bridge: a grant through a pipe, from a side that has it to one that has nothing but the pipe.
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeyholeError } from "../../src/errors.ts";
import { startFakeDaemon } from "../cli/fakes/daemon.ts";
import { hasBubblewrap } from "./bubblewrap.ts";
import { type FakeGrant, hasBoto3, SECRET, startFakeGrant } from "./fakegrant.ts";
import { addGrant, createHost, keysOf } from "./granthost.ts";
import { executable, isAlive, until } from "./machine.ts";
import { grantInfo } from "../grants/fakes/grants.ts";

/** Milliseconds; a Python that loads botocore takes about one second on a quiet machine. */
const PATIENCE = 60_000;
const revoked = new KeyholeError("revoked", "this grant was revoked");

/** Both ends, and the directory that stands for the grant at the far one. */
async function bridged(grant: FakeGrant, far: readonly string[] = [executable]) {
  const at = join(grant.home, "at");
  const child = grant.spawn(["--socket-path", grant.socket, "bridge", "--", ...far, "bridge", "--stdio", "--at", at]);
  const stderr = child.stderr.getReader();
  const { value } = await stderr.read();
  const said = new TextDecoder().decode(value);
  if (said !== `the grant agent is at ${at}\n`) throw new Error(said);
  const ask = (words = ["export", "--format", "credential-process"]) =>
    grant.run(["--socket-path", join(at, "sock"), ...words]);
  return { child, at, ask };
}

const keyOf = (line: string) => (JSON.parse(line) as Record<string, string>)["AccessKeyId"];

test("a tool at the far end gets the grant's credentials, asked for anew each time, and nothing else", async () => {
  await using grant = startFakeGrant();
  const { child, at, ask } = await bridged(grant);
  expect(keyOf((await ask()).stdout)).toBe("ASIAFAKE2");
  expect(keyOf((await ask()).stdout)).toBe("ASIAFAKE3");
  expect((await ask(["daemon", "stop"])).exitCode).toBe(9);
  expect((await ask(["export", "-n", "other"])).exitCode).toBe(9);
  expect(statSync(at).mode & 0o777).toBe(0o700);
  expect(statSync(join(at, "sock")).mode & 0o777).toBe(0o600);
  for (const file of ["aws-config", "credentials", "env"])
    expect(readFileSync(join(at, file), "utf8")).not.toContain(SECRET);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  expect(existsSync(at)).toBe(false);
});

test("a revocation reaches the far end with the next request, and the end of the daemon as well", async () => {
  await using grant = startFakeGrant();
  const { child, ask } = await bridged(grant);
  expect((await ask()).exitCode).toBe(0);
  grant.refuse(revoked);
  expect(await ask()).toMatchObject({
    exitCode: 9,
    stdout: "",
    stderr: expect.stringContaining("this grant was revoked"),
  });
  grant.refuse(undefined);
  expect((await ask()).exitCode).toBe(0);
  grant.stop();
  const outcome = await ask();
  expect(outcome).toMatchObject({ exitCode: 3, stdout: "" });
  expect(outcome.stderr).not.toContain(grant.directory);
  child.kill("SIGTERM");
  await child.exited;
});

test("32 tools at a time get an answer each", async () => {
  await using grant = startFakeGrant();
  const { child, ask } = await bridged(grant);
  const outcomes = await Promise.all(Array.from({ length: 32 }, () => ask()));
  const keys = outcomes.map(({ stdout }) => keyOf(stdout));
  expect(new Set(keys).size).toBe(32);
  child.kill("SIGTERM");
  await child.exited;
});

test("where the near end dies without a word, the far end cleans up and ends", async () => {
  await using grant = startFakeGrant();
  const pidFile = join(grant.home, "pid");
  const far = ["sh", "-c", `echo $$ > ${pidFile}; exec "$@"`, "sh", executable];
  const { child, at } = await bridged(grant, far);
  const pid = Number(readFileSync(pidFile, "utf8"));
  child.kill("SIGKILL");
  await until(() => !isAlive(pid));
  expect(existsSync(at)).toBe(false);
});

test("what a far end that was killed has left behind is in nobody's way", async () => {
  await using grant = startFakeGrant();
  const pidFile = join(grant.home, "pid");
  const { child, at } = await bridged(grant, ["sh", "-c", `echo $$ > ${pidFile}; exec "$@"`, "sh", executable]);
  process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
  expect(await child.exited).toBe(137);
  expect(readdirSync(at).toSorted()).toEqual(["aws-config", "credentials", "env", "sock"]);
  const next = await bridged(grant);
  expect((await next.ask()).exitCode).toBe(0);
  next.child.kill("SIGTERM");
  await next.child.exited;
});

test("two bridges do not share a directory, and the second leaves the first alone", async () => {
  await using grant = startFakeGrant();
  const { child, at, ask } = await bridged(grant);
  const words = ["bridge", "--", executable, "bridge", "--stdio", "--at", at];
  const second = await grant.run(["--socket-path", grant.socket, ...words]);
  expect(second).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("already answers") });
  expect((await ask()).exitCode).toBe(0);
  child.kill("SIGTERM");
  await child.exited;
});

test.each([
  ["ends with its status", ["sh", "-c", "exit 7"], 7, ""],
  ["that is not there is 127", ["nowhere-to-be-found"], 127, "command not found"],
  [
    "that talks of other things is an error",
    ["sh", "-c", "echo Welcome to this host; exec sleep 1000"],
    1,
    "not from keyhole bridge",
  ],
])("a program %s", async (_, far, status, said) => {
  await using grant = startFakeGrant();
  const { exitCode, stderr } = await grant.run(["--socket-path", grant.socket, "bridge", "--", ...far]);
  expect({ exitCode, stderr }).toEqual({ exitCode: status, stderr: expect.stringContaining(said) });
  expect(grant.fetches()).toBe(0);
});

test("a grant that refuses ends both, with its exit status, and leaves nothing behind", async () => {
  await using grant = startFakeGrant();
  grant.refuse(revoked);
  const at = join(grant.home, "at");
  const words = ["bridge", "--", executable, "bridge", "--stdio", "--at", at];
  const { exitCode, stderr } = await grant.run(["--socket-path", grant.socket, ...words]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 9, stderr: expect.stringContaining("this grant was revoked") });
  expect(existsSync(at)).toBe(false);
});

test("an end without a pipe that answers says so, and leaves nothing behind", async () => {
  await using grant = startFakeGrant();
  const at = join(grant.home, "at");
  const { exitCode, stdout } = await grant.run(["bridge", "--stdio", "--at", at]);
  expect({ exitCode, asked: Buffer.from(stdout).toString("hex") }).toEqual({ exitCode: 3, asked: "00000002010f" });
  expect(existsSync(at)).toBe(false);
});

test.each([
  ["no command", ["bridge", "agent"]],
  ["both ends at a time", ["bridge", "--stdio", "--", "true"]],
  ["a grant at the far end", ["bridge", "--stdio", "agent"]],
  ["a directory at the near end", ["bridge", "agent", "--at", "/tmp/x", "--", "true"]],
  ["no grant beside the executable", ["bridge", "--", "true"]],
  ["a directory that SDKs misread", ["bridge", "--stdio", "--at", "/tmp/a'b"]],
])("%s is a mistake of usage", async (_, words) => {
  await using grant = startFakeGrant();
  expect((await grant.run(words)).exitCode).toBe(2);
});

test("a grant is found by its name", async () => {
  await using grant = startFakeGrant();
  const listed = (name: string, deliver: string) => grantInfo({ name, deliver, directory: grant.directory });
  await using control = startFakeDaemon({
    GrantsList: () => ({ grants: [listed("agent", "socket"), listed("leased", "file")] }),
  });
  const bridge = (name: string) =>
    grant.run([
      "--socket-path",
      control.socket,
      "bridge",
      name,
      "--",
      "sh",
      "-c",
      "printf '\\0\\0\\0\\2\\1\\17'; head -c 40 >&2",
    ]);
  expect((await bridge("agent")).stderr).toContain("agent");
  expect(grant.fetches()).toBe(1);
  expect((await bridge("nobody")).exitCode).toBe(4);
  expect(await bridge("leased")).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("delivered as a file") });
});

/** A sandbox without a network that was given the executable and no grant. */
function apart({ home }: FakeGrant): string[] {
  const empty = "bwrap --unshare-all --die-with-parent --ro-bind / / --proc /proc --dev /dev --tmpfs /run --tmpfs /tmp";
  return [...empty.split(" "), "--bind", home, home, "--ro-bind", executable, "/run/keyhole", "--"];
}

test.skipIf(!hasBubblewrap || !hasBoto3)(
  "boto3 in a sandbox that has a pipe and no mount works with the grant's credentials",
  async () => {
    await using grant = startFakeGrant();
    const client = "import boto3; c = boto3.Session().get_credentials(); print(c.method, c.access_key)";
    // The far end and the tool are in one sandbox: it is a script that starts both, as a container's start does.
    const script = `
      /run/keyhole bridge --stdio --at "$AT" <&3 3<&- &
      exec 3<&- >&2
      while ! [ -e "$AT/env" ]; do sleep 0.01; done
      set -a; . "$AT/env"
      python3 -c '${client}' > "$AT/../result"
      kill $!; wait $!`;
    writeFileSync(join(grant.home, "script"), script);
    mkdirSync(join(grant.home, "work"));
    const at = join(grant.home, "work", "at");
    const words = ["bridge", "--", ...apart(grant), "sh", "-c", `exec 3<&0; . ${join(grant.home, "script")}`];
    const { exitCode, stderr } = await grant.run(["--socket-path", grant.socket, ...words], { env: { AT: at } });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: expect.stringContaining(`the grant agent is at ${at}\n`),
    });
    expect(readFileSync(join(grant.home, "work", "result"), "utf8")).toBe("custom-process ASIAFAKE2\n");
    expect(readdirSync(join(grant.home, "work"))).toEqual(["result"]);
  },
  PATIENCE,
);

test("a grant is bridged by its name, over a restart of the daemon, until it is revoked", async () => {
  await using machine = await createHost();
  await addGrant(machine);
  const at = join(machine.home, "at");
  const child = machine.spawn(["bridge", "agent-a", "--", executable, "bridge", "--stdio", "--at", at]);
  const { value } = await child.stderr.getReader().read();
  expect(new TextDecoder().decode(value)).toBe(`the grant agent-a is at ${at}\n`);
  const ask = () => machine.run(["--socket-path", join(at, "sock"), "export", "--format", "credential-process"]);
  const first = keysOf(machine, await ask());
  expect(keysOf(machine, await ask())).toBe(first);
  await machine.keyhole("daemon restart");
  expect(keysOf(machine, await ask())).not.toBe(first);
  await machine.keyhole("grant revoke agent-a");
  expect(await ask()).toMatchObject({ exitCode: 9, stdout: "", stderr: expect.stringContaining("revoked") });
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});
