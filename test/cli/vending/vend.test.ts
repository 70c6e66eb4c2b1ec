import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync } from "node:fs";
import { KeyholeError } from "../../../src/errors.ts";
import { PROCESS_LINE, session, startFakeDaemon, vended } from "../fakes/daemon.ts";
import { enterGrant, fetched } from "../fakes/grants.ts";
import { keyhole } from "../fakes/world.ts";

const grant = () => startFakeDaemon({ Fetch: fetched });

/** Throws, as a reply. */
const refuse = (kind: ConstructorParameters<typeof KeyholeError>[0]) => () => {
  throw new KeyholeError(kind, "as the broker says it");
};

describe("in a grant's directory", () => {
  test.each([
    ["no words at all", []],
    ["a format", ["export", "--format", "credential-process"]],
    ["elhaz's form with the grant's name", ["export", "-f", "credential-process", "-n", "agent-a"]],
    ["elhaz's form with the config's name", ["export", "-f", "credential-process", "-n", "dev"]],
  ])("%s gets the grant's credentials by one request, which says nothing", async (_, words) => {
    await using daemon = grant();
    const result = await keyhole(words, { environment: { HOME: "/nowhere" }, host: { command: [enterGrant(daemon)] } });
    expect(result).toEqual({ exit: 0, stdout: PROCESS_LINE, stderr: "", questions: [] });
    expect(daemon.requests).toEqual([{ name: "Fetch", body: {} }]);
  });

  test("no home is needed, and a person is asked for no name", async () => {
    await using daemon = grant();
    const result = await keyhole(["export", "-f", "env"], { answers: [], host: { command: [enterGrant(daemon)] } });
    expect(result).toMatchObject({ exit: 0, stderr: "", questions: [] });
    expect(result.stdout).toContain("export AWS_ACCESS_KEY_ID=ASIAEXAMPLE\n");
    expect(result.stdout).toContain("export AWS_REGION=eu-west-1\n");
  });

  test("another name is refused, and nothing printed", async () => {
    await using daemon = grant();
    const result = await keyhole(["export", "-n", "admin"], { host: { command: [enterGrant(daemon)] } });
    expect(result).toMatchObject({ exit: 9, stdout: "" });
    expect(result.stderr).toStartWith("keyhole: error: this grant is for another name than the one given\n");
    expect(JSON.stringify(daemon.requests)).not.toContain("admin");
  });

  test("whoami says what the answer says", async () => {
    await using daemon = grant();
    const host = { command: [enterGrant(daemon)] };
    const facts = { Grant: "agent-a", Config: "dev", Account: "111122223333", AccessKeyId: "ASIAEXAMPLE" };
    const { stdout } = await keyhole(["whoami"], { host });
    expect(JSON.parse(stdout)).toEqual({ ...facts, Expiration: "2026-11-20T13:00:00Z" });
    expect((await keyhole(["whoami", "-o"], { host })).stdout).not.toContain("ASIA");
  });

  test.each(["daemon list", "daemon add -n dev", "daemon start", "config list", "config get -n dev", "grant list"])(
    "%s is forbidden, and nobody is asked",
    async (words) => {
      await using daemon = grant();
      const result = await keyhole(words.split(" "), { host: { command: [enterGrant(daemon)] } });
      expect(result).toMatchObject({ exit: 9, stdout: "" });
      expect(daemon.connections()).toBe(0);
    },
  );

  test.each([
    ["revoked", 9],
    ["expired", 9],
    ["used-up", 9],
    ["denied", 9],
    ["throttled", 7],
  ] as const)("%s is what the broker says, with its exit status, and is asked once", async (kind, exit) => {
    await using daemon = startFakeDaemon({ Fetch: refuse(kind) });
    const result = await keyhole([], { host: { command: [enterGrant(daemon)] } });
    expect(result).toMatchObject({ exit, stdout: "" });
    expect(result.stderr).toStartWith("keyhole: error: as the broker says it\n");
    expect(daemon.requests).toHaveLength(1);
  });

  test("a broker that is away for a moment is asked again", async () => {
    await using daemon = grant();
    const command = [enterGrant(daemon)];
    chmodSync(daemon.socket, 0o666);
    let pauses = 0;
    let isBack = false;
    daemon.stop();
    await using second = grant();
    const wait = async () => {
      pauses += 1;
      if (pauses < 3 || isBack) return;
      isBack = true;
      const { symlinkSync } = await import("node:fs");
      symlinkSync(second.socket, daemon.socket);
    };
    const result = await keyhole([], { host: { command, wait } });
    expect(result).toMatchObject({ exit: 0, stdout: PROCESS_LINE, stderr: "" });
    expect(pauses).toBe(3);
  });

  test("a broker that stays away is an error without a path, and is never started", async () => {
    await using daemon = grant();
    const command = [enterGrant(daemon)];
    daemon.stop();
    let waited = 0;
    const wait = async (milliseconds: number) => void (waited += milliseconds);
    const result = await keyhole([], { environment: { HOME: daemon.home }, host: { command, wait } });
    expect(result).toMatchObject({ exit: 3, stdout: "" });
    expect(result.stderr).not.toContain("/");
    expect(waited).toBeWithin(2000, 2200);
    expect(readdirSync(daemon.home)).toEqual(["grant"]);
  });
});

describe("a named socket that may be a grant's", () => {
  test("is asked for the grant first, and then for nothing else", async () => {
    await using daemon = grant();
    chmodSync(daemon.socket, 0o666);
    const words = ["--socket-path", daemon.socket, "export", "-f", "credential-process", "-n", "agent-a"];
    expect(await keyhole(words, { environment: { HOME: daemon.home } })).toMatchObject({
      exit: 0,
      stdout: PROCESS_LINE,
    });
    expect(daemon.requests).toEqual([{ name: "Fetch", body: {} }]);
  });

  test.each(["not-a-grant", "unknown-message"] as const)("and says %s is asked for the config", async (kind) => {
    await using daemon = startFakeDaemon({ Fetch: refuse(kind), Vend: ({ config }) => vended(config) });
    chmodSync(daemon.socket, 0o644);
    const words = ["--socket-path", daemon.socket, "export", "-f", "credential-process", "-n", "dev"];
    expect(await keyhole(words, { environment: { HOME: daemon.home } })).toMatchObject({
      exit: 0,
      stdout: PROCESS_LINE,
    });
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Fetch", "Vend"]);
  });

  test("and is a control socket is asked by whoami for the config's identity, and not before", async () => {
    const identity = {
      userId: "AROA:dev",
      account: "111122223333",
      arn: "arn:aws:sts::111122223333:assumed-role/dev/x",
    };
    await using daemon = startFakeDaemon({ Fetch: refuse("not-a-grant"), Identity: () => identity });
    chmodSync(daemon.socket, 0o666);
    const words = ["--socket-path", daemon.socket, "whoami", "-n", "dev"];
    const { stdout } = await keyhole(words, { environment: { HOME: daemon.home } });
    expect(JSON.parse(stdout)).toMatchObject({ UserId: "AROA:dev" });
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Fetch", "Identity"]);
  });

  test("is told no name by commands for the host", async () => {
    await using daemon = startFakeDaemon({ Hello: refuse("forbidden") });
    chmodSync(daemon.socket, 0o666);
    const words = ["--socket-path", daemon.socket, "daemon", "add", "-n", "secret-name"];
    expect(await keyhole(words, { environment: { HOME: daemon.home } })).toMatchObject({ exit: 9, stdout: "" });
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Hello"]);
  });

  test("and is a control socket serves them", async () => {
    const hello = { version: "0.0.0", pid: 1 };
    await using daemon = startFakeDaemon({
      Hello: () => hello,
      List: () => ({ sessions: [session({ config: "dev" })] }),
    });
    chmodSync(daemon.socket, 0o666);
    const words = ["--socket-path", daemon.socket, "daemon", "list"];
    expect(await keyhole(words, { environment: { HOME: daemon.home } })).toMatchObject({ exit: 0, stdout: "dev\n" });
  });
});
