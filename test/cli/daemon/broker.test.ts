import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { KeyholeError } from "../../../src/errors.ts";
import type { Settings } from "../../../src/settings.ts";
import { encode } from "../../../src/wire/codec.ts";
import { CONTROL_REQUEST_LIMIT, encodeFrame, type Frame, FrameDecoder } from "../../../src/wire/frame.ts";
import { messages } from "../../../src/wire/messages.ts";
import {
  type FakeDaemon,
  type Script,
  session,
  startFakeDaemon,
  temporaryHome,
  vended,
  environmentOf,
} from "../fakes/daemon.ts";
import { keyhole } from "../fakes/world.ts";

const none = () => {
  throw new KeyholeError("no-such-session", "no session dev");
};

/** Knows no session until one is added. */
function forgetful(add: () => void = () => {}) {
  let added = false;
  return startFakeDaemon({
    Vend: ({ config }) => (added ? vended(config) : none()),
    AddIn: ({ config }) => {
      add();
      added = true;
      return session({ config });
    },
  });
}

const failing = (cause: KeyholeError) => () => Promise.reject(cause);

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
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Vend", "AddIn", "Vend"]);
    expect(daemon.connections()).toBe(1);
  });

  test("sends what selects source credentials with the addition, and nothing else", async () => {
    await using daemon = forgetful();
    const environment = environmentOf(daemon, { AWS_PROFILE: "base", PATH: "/bin", GITHUB_TOKEN: "SECRET", EMPTY: "" });
    await keyhole(["export", "-n", "dev"], { environment });
    const { environment: sent, ...options } = daemon.requests[1]!.body as { environment: unknown[] };
    expect(options as unknown).toEqual({
      directory: `${daemon.home}/configs`,
      config: "dev",
      verify: true,
      renew: false,
      keep: true,
      urgent: false,
    });
    expect(sent).toContainEqual({ name: "AWS_PROFILE", value: "base" });
    expect(sent).toContainEqual({ name: "PATH", value: "/bin" });
    expect(JSON.stringify(sent)).not.toContain("GITHUB");
    expect(JSON.stringify(daemon.requests[0])).not.toContain("base");
  });

  test("of an older daemon adds a session as that one knows it", async () => {
    let added = false;
    await using daemon = startFakeDaemon({
      Vend: ({ config }) => (added ? vended(config) : none()),
      AddIn: () => {
        throw new KeyholeError("unknown-message", "this daemon speaks messages 1 to 15 of protocol version 1, not 16");
      },
      Add: ({ config }) => {
        added = true;
        return session({ config });
      },
    });
    const environment = environmentOf(daemon);
    expect((await keyhole(["export", "-n", "dev"], { environment })).exit).toBe(0);
    // It would answer from its own directory, and from the STS of whoever asked first.
    const mine = { ...environment, AWS_ENDPOINT_URL_STS: "http://127.0.0.1:1" };
    expect((await keyhole(["export", "-n", "dev"], { environment: mine })).exit).not.toBe(0);
    expect((await keyhole(["export", "-n", "dev", "-cd", "/alt"], { environment })).exit).not.toBe(0);
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
    expect(daemon.requests.map(({ name }) => name)).toEqual(["Vend", "AddIn"]);
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

  test("on behalf of the very session that waits for the answer is a loop, and asks nobody", async () => {
    await using daemon = startFakeDaemon({});
    const environment = environmentOf(daemon, { KEYHOLE_CHAIN: `dev@${daemon.socket}` });
    const result = await keyhole(["export", "-n", "dev"], { environment });
    expect(result.exit).toBe(1);
    expect(result.stderr).toContain("loop");
    expect(daemon.connections()).toBe(0);
  });
});

/** A daemon whose first listener is gone; `launch` starts the second one at the same socket. */
function missing(script: Script) {
  const home = temporaryHome();
  const socket = join(home, "daemon.sock");
  const launched: Settings[] = [];
  let daemon: FakeDaemon | undefined;
  return {
    home,
    socket,
    launched,
    launch: async (settings: Settings) => {
      launched.push(settings);
      daemon = startFakeDaemon(script, home);
      return { pid: 42 };
    },
    async [Symbol.asyncDispose]() {
      daemon?.stop();
      rmSync(home, { recursive: true });
    },
  };
}

describe("where no daemon listens", () => {
  const script: Script = {
    Vend: ({ config }) => vended(config),
    AddIn: ({ directory, config }) => session({ config: `${config} (${directory})` }),
    Identity: () => ({ userId: "u", account: "1", arn: "a" }),
  };

  test.each([["export -n dev"], ["whoami -n dev"], ["daemon add -n dev"]])(
    "%s starts one with the settings of its command line, and asks it",
    async (command) => {
      await using daemon = missing(script);
      const { launch } = daemon;
      const words = [...command.split(" "), "-mdcs", "7", "-cd", "/c"];
      const result = await keyhole(words, { environment: environmentOf(daemon), host: { launch } });
      expect(result.exit).toBe(0);
      expect(daemon.launched).toHaveLength(1);
      const { paths, ...settings } = daemon.launched[0]!;
      expect([paths.socket, paths.configDir]).toEqual([daemon.socket, "/c"]);
      expect(settings).toMatchObject({ maxSessions: 7, once: false });
    },
  );

  test("a dead socket is no daemon either, and is left to the daemon that starts", async () => {
    await using daemon = missing(script);
    const { launch } = daemon;
    // A socket that nobody listens on: what kill -9 leaves.
    const dead = Bun.listen({ unix: `${daemon.socket}.x`, socket: { data: () => {} } });
    chmodSync(`${daemon.socket}.x`, 0o600);
    renameSync(`${daemon.socket}.x`, daemon.socket);
    dead.stop(true);
    let wasThere = false;
    const result = await keyhole(["export", "-n", "dev"], {
      environment: environmentOf(daemon),
      host: {
        launch: (settings) => {
          wasThere = existsSync(daemon.socket);
          rmSync(daemon.socket);
          return launch(settings);
        },
      },
    });
    expect([result.exit, wasThere]).toEqual([0, true]);
  });

  test.each<[environment: Record<string, string>, words: string[]]>([
    [{ KEYHOLE_AUTOSTART_ONCE: "1" }, []],
    [{}, ["--once"]],
  ])("with %j and %j it starts one for itself alone", async (environment, words) => {
    await using daemon = missing(script);
    const { launch } = daemon;
    const options = { environment: { ...environmentOf(daemon), ...environment }, host: { launch } };
    expect((await keyhole(["export", "-n", "dev", ...words], options)).exit).toBe(0);
    expect(daemon.launched.map(({ once }) => once)).toEqual([true]);
  });

  test("KEYHOLE_AUTOSTART=0 starts nothing and says so", async () => {
    await using daemon = missing(script);
    const environment = { ...environmentOf(daemon), KEYHOLE_AUTOSTART: "0" };
    expect(await keyhole(["export", "-n", "dev"], { environment })).toEqual({
      exit: 3,
      stdout: "",
      stderr:
        `keyhole: error: no daemon answers at ${daemon.socket} (autostart is off)\n` +
        "keyhole: hint: keyhole daemon start\n",
      questions: [],
    });
  });

  test.each([["daemon list"], ["daemon stop"], ["daemon status"], ["daemon kill"], ["daemon remove -n dev"]])(
    "%s starts nothing",
    async (command) => {
      await using daemon = missing(script);
      const { stderr } = await keyhole(command.split(" "), { environment: environmentOf(daemon) });
      expect(stderr).not.toContain("the test did not expect a start");
      expect(daemon.launched).toEqual([]);
    },
  );

  test("the error of a daemon that cannot start is the command's", async () => {
    await using daemon = missing(script);
    const host = { launch: failing(new KeyholeError("invalid-config", "the file /x is bad", "edit /x")) };
    const result = await keyhole(["export", "-n", "dev"], { environment: environmentOf(daemon), host });
    expect(result).toMatchObject({ exit: 1, stderr: "keyhole: error: the file /x is bad\nkeyhole: hint: edit /x\n" });
  });

  test("where no daemon can be started, the error is that none answers", async () => {
    await using daemon = missing(script);
    const host = { launch: failing(new KeyholeError("unsafe-path", "/x is bad", "chmod go-w /x")) };
    const result = await keyhole(["export", "-n", "dev"], { environment: environmentOf(daemon), host });
    const message = `no daemon answers at ${daemon.socket}, and none is started: /x is bad`;
    expect(result).toMatchObject({ exit: 3, stderr: `keyhole: error: ${message}\nkeyhole: hint: chmod go-w /x\n` });
  });

  test.each<[what: string, exit: number, environment: Record<string, string>, hasConfigs: boolean]>([
    ["none is started without configs of the container's", 3, {}, false],
    ["one is started where there are", 0, {}, true],
    ["one is started where KEYHOLE_AUTOSTART=1 says so", 0, { KEYHOLE_AUTOSTART: "1" }, false],
  ])("inside a container %s", async (_, exit, environment, hasConfigs) => {
    await using daemon = missing(script);
    const { launch } = daemon;
    const configs = join(dirname(daemon.socket), "configs");
    mkdirSync(configs);
    if (hasConfigs) writeFileSync(join(configs, "dev.yaml"), "");
    const result = await keyhole(["--config-dir", configs, "export", "-n", "dev"], {
      environment: { ...environmentOf(daemon), ...environment },
      host: { launch, isContainer: () => true },
    });
    expect(result.exit).toBe(exit);
    if (exit !== 0) expect(result.stderr).toContain(" and inside a container none is started\n");
  });
});

test("a daemon that is shutting down is asked again when another has taken its place", async () => {
  const answers = [
    () => {
      throw new KeyholeError("shutting-down", "the daemon is shutting down");
    },
    () => vended("dev"),
  ];
  await using daemon = startFakeDaemon({ Vend: () => answers.shift()!() });
  const result = await keyhole(["export", "-n", "dev"], {
    environment: environmentOf(daemon),
    host: { launch: () => Promise.resolve({ pid: 42 }) },
  });
  expect(result).toMatchObject({ exit: 0, stderr: "" });
  expect(daemon.requests).toHaveLength(2);
});

function answerVend(request: Uint8Array): Promise<Uint8Array> {
  const [{ message }] = new FrameDecoder(CONTROL_REQUEST_LIMIT).push(request) as [Frame];
  expect(message).toBe(messages.Vend.number);
  return Promise.resolve(encodeFrame(message, encode(messages.Vend.response, vended("dev"))));
}

describe("with KEYHOLE_DISABLE=1", () => {
  test("the broker is in this process, for this command, and no daemon is asked", async () => {
    await using daemon = startFakeDaemon({});
    const environment = { ...environmentOf(daemon), KEYHOLE_DISABLE: "1" };
    let closed = 0;
    const openInProcess = () => Promise.resolve({ exchange: answerVend, close: () => void (closed += 1) });
    const result = await keyhole(["export", "-n", "dev"], { environment, host: { openInProcess } });
    expect(result).toMatchObject({ exit: 0, stderr: "" });
    expect([closed, daemon.connections()]).toEqual([1, 0]);
  });

  test.each(["daemon start", "daemon restart", "daemon add -n dev"])("%s refuses in words", async (command) => {
    const environment = { KEYHOLE_HOME: "/nowhere", KEYHOLE_DISABLE: "1" };
    const result = await keyhole(command.split(" "), { environment });
    expect(result.exit).toBe(2);
    expect(result.stderr).toContain(
      "needs the daemon, and KEYHOLE_DISABLE is set\nkeyhole: hint: unset KEYHOLE_DISABLE",
    );
  });
});
