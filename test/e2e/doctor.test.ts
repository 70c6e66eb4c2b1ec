// keyhole doctor with the executable that people run: on a host, and in sandboxes with everything that could shadow a
// grant.
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import { grantVariables } from "../../src/grants/mount.ts";
import { makeFilter } from "../seccomp.ts";
import { hasBubblewrap, runSandboxed } from "./bubblewrap.ts";
import { addGrant, createHost } from "./granthost.ts";
import { executable, type Machine, type Result, until } from "./machine.ts";

/** Those that are not ok, by their ids. */
function troubles({ stdout }: Result): Record<string, string> {
  const findings = (JSON.parse(stdout) as Finding[]).filter(({ level }) => level !== "ok");
  return Object.fromEntries(findings.map(({ id, level }) => [id, level]));
}

/** Nothing of the machine that runs the tests: no shared daemon, and this executable first on the PATH. */
function onHost(machine: Machine, env: Record<string, string> = {}): Promise<Result> {
  const own = {
    PATH: `${dirname(executable)}:/usr/bin:/bin`,
    KEYHOLE_SHARED_SOCKET: join(machine.home, "none", "keyhole.sock"),
  };
  return machine.run(["doctor", "--json"], { env: { ...own, ...env } });
}

/** An instance's metadata service, in the network that it is started in, for as long as what follows runs there. */
const IMDS = `
  const server = Bun.listen({ hostname: "169.254.169.254", port: 80, socket: { data: () => {} } });
  const child = Bun.spawn(process.argv.slice(2), { stdio: ["inherit", "inherit", "inherit"] });
  const status = await child.exited;
  server.stop(true);
  process.exit(status);
`;

const canMakeNetworks =
  hasBubblewrap &&
  Bun.spawnSync(["unshare", "--net", "ip", "link", "set", "lo", "up"], { stderr: "ignore" }).exitCode === 0;
if (!canMakeNetworks) console.warn("SKIPPED: no network namespaces can be made here");

describe("on the host", () => {
  test("a healthy machine is all ok, with nothing asked of AWS", async () => {
    await using machine = await createHost();
    await addGrant(machine);
    await machine.keyhole("daemon add -n dev");
    const calls = machine.sts.calls.length;
    const result = await onHost(machine);
    expect({ stderr: result.stderr, exitCode: result.exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(troubles(result)).toEqual({});
    expect(machine.sts.calls).toHaveLength(calls);
    const { sts } = machine;
    for (const [, { secretAccessKey }] of [...sts.issued, ["root", sts.root] as const])
      expect(result.stdout).not.toContain(secretAccessKey);
  });

  test("a machine without a daemon stays without one", async () => {
    await using machine = await createHost();
    expect(troubles(await onHost(machine))).toEqual({ daemon: "warning" });
    expect(machine.daemonPid()).toBeUndefined();
  });

  test("what a kill, a chmod, a wrong profile and a shell's keys do is named, each with what mends it", async () => {
    await using machine = await createHost();
    await addGrant(machine);
    const pid = machine.daemonPid()!;
    process.kill(pid, "SIGKILL");
    await until(() => machine.daemonPid() === undefined);
    await machine.addConfig("lost", "Session.profile_name=gone");
    chmodSync(machine.paths.configs, 0o777);
    const open = await onHost(machine);
    expect(open.exitCode).toBe(1);
    expect(troubles(open)).toMatchObject({ daemon: "problem", "daemon-socket": "warning", places: "problem" });
    chmodSync(machine.paths.configs, 0o700);
    const { accessKeyId, secretAccessKey } = machine.sts.root;
    const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const closed = await onHost(machine, keys);
    expect(troubles(closed)).toEqual({
      daemon: "problem",
      "daemon-socket": "warning",
      "source-profile": "problem",
      shell: "warning",
    });
    expect(closed.stdout).not.toContain(secretAccessKey);
    for (const { level, fix } of JSON.parse(closed.stdout) as Finding[]) expect(fix === undefined).toBe(level === "ok");
  });

  test("a role that AWS refuses is named in AWS's words", async () => {
    await using machine = await createHost();
    await machine.keyhole("daemon add -n dev");
    const fail = { code: "AccessDenied", message: "is not authorized to perform: sts:AssumeRole", status: 403 };
    machine.sts.faults.add({ action: "AssumeRole", fail });
    await machine.run(["daemon", "add", "-n", "dev", "--force"]);
    const result = await onHost(machine);
    expect(troubles(result)).toEqual({ sessions: "warning" });
    expect(result.stdout).toContain("is not authorized to perform: sts:AssumeRole");
  });
});

const SEEN = "/run/keyhole";

/** `--setenv` for each variable that has a value. */
const setenv = (variables: Readonly<Record<string, string>>) =>
  Object.entries(variables).flatMap(([name, value]) => ["--setenv", name, value]);

type InsideOptions = Parameters<typeof runSandboxed>[3] & { readonly program?: string };

/** A keyhole of the image's own, and the `cat` that a lease is read with. */
const IMAGE = ["--ro-bind", executable, "/keyhole", "--ro-bind", "/bin/cat", "/bin/cat", "--setenv", "PATH", "/bin"];

/** `doctor --inside` in a root that holds the grant, a home and nothing else, with the variables that a grant sets. */
function inside(
  machine: Machine,
  directory: string,
  variables: Readonly<Record<string, string>> = {},
  { options = [], program = `${SEEN}/keyhole`, ...rest }: InsideOptions = {},
): Promise<Result> {
  const home = ["--proc", "/proc", "--dir", "/home", "--setenv", "HOME", "/home"];
  const set = setenv({ ...grantVariables(SEEN, { deliver: "socket" }), ...variables });
  const words = [program, "doctor", "--inside", "--json"];
  return runSandboxed(machine, directory, words, { options: [...home, ...set, ...options], ...rest });
}

describe.skipIf(!hasBubblewrap)("in a sandbox", () => {
  test("with the grant's variables all is ok, and no use is spent", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev --executable full --max-uses 1");
    const result = await inside(machine, directory);
    expect(result).toMatchObject({ stderr: "", exitCode: 0 });
    expect(troubles(result)).toEqual({});
    expect(result.stdout).not.toContain("arn:");
    const bare = await runSandboxed(machine, directory, [`${SEEN}/keyhole`, "doctor"], { options: [] });
    expect(bare.stdout).toContain("config-file");
    expect(JSON.parse(await machine.keyhole("grant show agent-a --json"))).toMatchObject({ uses: 0, state: "active" });
  });

  const shadows: readonly (readonly [string, Record<string, string>, Record<string, string>])[] = [
    [
      "keys in the environment",
      { AWS_ACCESS_KEY_ID: "CANARY", AWS_SECRET_ACCESS_KEY: "CANARY" },
      { "environment-keys": "problem" },
    ],
    ["IRSA", { AWS_ROLE_ARN: "CANARY", AWS_WEB_IDENTITY_TOKEN_FILE: "/CANARY" }, { "web-identity": "problem" }],
    ["a profile", { AWS_PROFILE: "CANARY" }, { profile: "problem" }],
    ["ECS", { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/CANARY" }, { "container-endpoint": "warning" }],
    ["a bearer token", { AWS_BEARER_TOKEN_BEDROCK: "CANARY" }, { "bearer-token": "problem" }],
    ["an expiry", { AWS_CREDENTIAL_EXPIRATION: "CANARY" }, { "environment-expiration": "warning" }],
  ];

  test.each(shadows)("%s is named as what shadows the grant, without a value", async (_, variables, expected) => {
    await using machine = await createHost();
    const result = await inside(machine, await addGrant(machine, "agent-a --config dev --executable full"), variables);
    expect(troubles(result)).toEqual(expected);
    expect(result.stdout).not.toContain("CANARY");
    expect(result.exitCode).toBe(Object.values(expected).includes("problem") ? 1 : 0);
  });

  test("a baked ~/.aws is named as readable, and as used where the variables do not lead to the grant", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev --executable full");
    const baked = join(machine.home, "baked");
    mkdirSync(baked);
    const keys = "aws_access_key_id = CANARY\naws_secret_access_key = CANARY\n";
    writeFileSync(join(baked, "credentials"), `[default]\n${keys}`);
    const options = ["--ro-bind", baked, "/home/.aws"];
    expect(troubles(await inside(machine, directory, {}, { options }))).toEqual({ "aws-files": "problem" });
    const unset = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].flatMap((name) => ["--unsetenv", name]);
    const used = await inside(machine, directory, {}, { options: [...options, ...unset] });
    expect(troubles(used)).toEqual({
      "config-file": "problem",
      "credentials-file": "problem",
      "aws-files": "problem",
    });
    expect(used.stdout).not.toContain("CANARY");
  });

  test("the host's home is named: its files, and the control socket that does everything", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev --executable full");
    const result = await inside(machine, directory, {}, { options: ["--ro-bind", machine.home, "/home"] });
    expect(troubles(result)).toEqual({
      "aws-files": "problem",
      "keyhole-home": "warning",
      "control-socket": "problem",
    });
  });

  test("a grant that can be written is named", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev --executable full");
    const options = ["--bind", directory, SEEN];
    expect(troubles(await inside(machine, directory, {}, { options }))).toEqual({ "read-only": "warning" });
  });

  test("a grant that is mounted elsewhere than it says is named", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev --executable full --mount-at /elsewhere");
    const result = await inside(machine, directory);
    expect(troubles(result)).toEqual({ "credential-process": "problem" });
    expect(result.stdout).toContain("--mount-at /run/keyhole");
  });

  test("a daemon that is down is named, and nothing is started", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev --executable full");
    await machine.keyhole("daemon stop");
    expect(troubles(await inside(machine, directory))).toEqual({ socket: "problem" });
    expect(machine.daemonPid()).toBeUndefined();
  });

  test.each([
    ["socket", 1],
    ["connect", 1],
    ["connect", 13],
  ] as const)(
    "where %s is forbidden with errno %i it says file delivery, which then is all ok",
    async (call, errno) => {
      await using machine = await createHost();
      const filter = join(machine.home, "filter");
      writeFileSync(filter, makeFilter(call, errno));
      const socket = await inside(
        machine,
        await addGrant(machine, "agent-a --config dev --executable full"),
        {},
        { filter },
      );
      expect(troubles(socket)).toEqual({ socket: "problem" });
      expect(socket.stdout).toContain("--deliver file");
      const leased = await addGrant(machine, "agent-b --config dev --deliver file");
      const byFile = await inside(machine, leased, {}, { filter, options: IMAGE, program: "/keyhole" });
      expect(troubles(byFile)).toEqual({});
      expect(byFile.stdout).toContain("a fresh lease");
    },
  );

  test("a lease that was revoked says so", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev --deliver file");
    await machine.keyhole("grant revoke agent-a");
    const result = await inside(machine, directory, {}, { options: IMAGE, program: "/keyhole" });
    expect(troubles(result)).toEqual({ lease: "problem" });
    expect(result.stdout).toContain("revoked");
  });

  test("behind a relay all is ok, and no other use is spent than the relay's own", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev --executable full");
    const keyhole = `${SEEN}/keyhole`;
    const words = [keyhole, "relay", "--", keyhole, "doctor", "--inside", "--json"];
    const result = await runSandboxed(machine, directory, words, { options: ["--proc", "/proc"] });
    expect(result).toMatchObject({ stderr: "", exitCode: 0 });
    expect(troubles(result)).toEqual({});
    expect(result.stdout).toContain("a relay answers at 127.0.0.1:");
    expect(JSON.parse(await machine.keyhole("grant show agent-a --json"))).toMatchObject({ uses: 1 });
  });

  test.skipIf(!canMakeNetworks)("an instance's metadata is named where it is not switched off", async () => {
    await using machine = await createHost();
    const directory = await addGrant(machine, "agent-a --config dev --executable full");
    const script = join(machine.home, "imds.ts");
    writeFileSync(script, IMDS);
    const setup = `ip link set lo up && ip address add 169.254.169.254/32 dev lo && exec ${process.execPath} ${script} "$@"`;
    const under = ["unshare", "--net", "sh", "-c", setup, "sh"];
    const open = ["--share-net", "--unsetenv", "AWS_EC2_METADATA_DISABLED"];
    const result = await inside(machine, directory, {}, { under, options: open });
    expect(troubles(result)).toEqual({ "instance-metadata": "problem" });
    expect(troubles(await inside(machine, directory, {}, { under, options: ["--share-net"] }))).toEqual({});
    // The same sandbox in a network without it.
    const shut = { options: ["--unsetenv", "AWS_EC2_METADATA_DISABLED"] };
    expect(troubles(await inside(machine, directory, {}, shut))).toEqual({});
  });
});
