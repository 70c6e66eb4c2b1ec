import { describe, expect, test } from "bun:test";
import { KeyholeError } from "../../src/errors.ts";
import { session, startFakeDaemon, vended } from "./fakes/daemon.ts";
import { keyhole } from "./fakes/world.ts";

const none = () => {
  throw new KeyholeError("no-such-session", "no session dev");
};

/** Knows no session until one is added. */
function forgetful(add: () => void = () => {}) {
  let added = false;
  return startFakeDaemon({
    Vend: ({ config }) => (added ? vended(config) : none()),
    Add: ({ config }) => {
      add();
      added = true;
      return session({ config });
    },
  });
}

function environmentOf(daemon: { home: string; socket: string }, more: Readonly<Record<string, string>> = {}) {
  return { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket, ...more };
}

describe("asking for credentials", () => {
  test("of a session that is there is one request", async () => {
    await using daemon = startFakeDaemon({ Vend: ({ config }) => vended(config) });
    const result = await keyhole(["export", "-n", "dev"], { environment: environmentOf(daemon) });
    expect(result).toMatchObject({ exit: 0, stderr: "" });
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Vend"]);
  });

  test("of a session that is not there adds it once, on the same connection", async () => {
    await using daemon = forgetful();
    const result = await keyhole(["export", "-n", "dev"], { environment: environmentOf(daemon) });
    expect(result).toMatchObject({ exit: 0, stderr: "" });
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Vend", "Add", "Vend"]);
    expect(daemon.connections()).toBe(1);
  });

  test("sends what selects source credentials with the addition, and nothing else", async () => {
    await using daemon = forgetful();
    const environment = environmentOf(daemon, { AWS_PROFILE: "base", PATH: "/bin", GITHUB_TOKEN: "SECRET", EMPTY: "" });
    await keyhole(["export", "-n", "dev"], { environment });
    const { environment: sent, ...options } = daemon.requests[1]!.body as { environment: unknown[] };
    expect(options as unknown).toEqual({ config: "dev", verify: true, renew: false });
    expect(sent).toContainEqual({ name: "AWS_PROFILE", value: "base" });
    expect(sent).toContainEqual({ name: "PATH", value: "/bin" });
    expect(JSON.stringify(sent)).not.toContain("GITHUB");
    expect(JSON.stringify(daemon.requests[0])).not.toContain("base");
  });

  test("shows AWS's refusal once, with its own exit status, and asks no more", async () => {
    await using daemon = forgetful(() => {
      throw new KeyholeError("aws-refused", "AccessDenied: not authorized to perform sts:AssumeRole", "aws sts x");
    });
    const result = await keyhole(["export", "-n", "dev"], { environment: environmentOf(daemon) });
    expect(result).toEqual({
      exit: 6,
      stdout: "",
      stderr: "keyhole: error: AccessDenied: not authorized to perform sts:AssumeRole\nkeyhole: hint: aws sts x\n",
      questions: [],
    });
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Vend", "Add"]);
  });

  test("does not add where the failure is another", async () => {
    await using daemon = startFakeDaemon({
      Vend: () => {
        throw new KeyholeError("throttled", "Rate exceeded");
      },
    });
    expect((await keyhole(["export", "-n", "dev"], { environment: environmentOf(daemon) })).exit).toBe(7);
    expect(daemon.requests).toHaveLength(1);
  });

  test("fails with exit status 3 where no daemon listens", async () => {
    await using daemon = startFakeDaemon({});
    daemon.stop();
    const result = await keyhole(["export", "-n", "dev"], { environment: environmentOf(daemon) });
    expect(result.exit).toBe(3);
    expect(result.stderr).toEndWith("keyhole: hint: keyhole daemon start\n");
  });

  test("on behalf of the very session that waits for the answer is a loop, and asks nobody", async () => {
    await using daemon = startFakeDaemon({});
    const environment = environmentOf(daemon, { KEYHOLE_CHAIN: `dev@${daemon.socket}` });
    const result = await keyhole(["export", "-n", "dev"], { environment });
    expect(result.exit).toBe(1);
    expect(result.stderr).toContain("loop");
    expect(daemon.connections()).toBe(0);
  });
});
