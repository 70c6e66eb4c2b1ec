import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launchDaemon } from "../../src/client/launch.ts";
import { KeyholeError } from "../../src/errors.ts";
import { resolveSettings, type Settings } from "../../src/settings.ts";
import { isAlive, pidIn, until } from "../processes.ts";

let directory: string;

const keys = { AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY: "secret" };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-launch-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** Launches a shell script in the daemon's place. */
function launch(
  script: string,
  environment: Record<string, string> = {},
  endOther?: () => Promise<unknown>,
  more: Partial<Settings> = {},
) {
  const path = join(directory, "daemon");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  const settings = { ...resolveSettings({}, { HOME: directory, ...environment }, () => directory), ...more };
  return launchDaemon([path, "--daemon"], settings, { PATH: "/usr/bin:/bin", ...environment }, keys, endOther);
}

async function failureOf(launched: Promise<unknown>): Promise<KeyholeError> {
  try {
    await launched;
  } catch (error) {
    if (error instanceof KeyholeError) return error;
  }
  throw new Error("not refused");
}

test("a daemon is launched when its own line says so, with all of its settings and a clean environment", async () => {
  const { pid } = await launch(
    `echo "$@" >"${directory}/words"; pwd >>"${directory}/words"; env >>"${directory}/words"
    echo "keyhole: ready at somewhere"; exec sleep 60`,
    {
      AWS_SECRET_ACCESS_KEY: "secret",
      BUN_OPTIONS: "--preload x.js",
      KEYHOLE_CHAIN: "dev@/s",
      KEYHOLE_HOME: "k",
      https_proxy: "http://127.0.0.1:1",
    },
  );
  process.kill(pid);
  const [words, cwd, ...environment] = (await Bun.file(join(directory, "words")).text()).trimEnd().split("\n");
  expect(words).toStartWith("--daemon --launched --config-dir=");
  expect(words).toContain(`--socket-path=${directory}/k/sock/daemon.sock`);
  expect(cwd).toBe("/");
  expect(environment.filter((line) => !/^(PATH|PWD|OLDPWD|SHLVL|_)=/.test(line)).toSorted()).toEqual([
    `KEYHOLE_HOME=${directory}/k`,
    "https_proxy=http://127.0.0.1:1",
  ]);
});

test("a daemon is told the keys of its caller's shell on stdin, and nowhere else", async () => {
  const { pid } = await launch(
    `cat >"${directory}/stdin"; env >"${directory}/env"; echo "$@" >>"${directory}/env"
    echo "keyhole: ready at somewhere"; exec sleep 60`,
    keys,
  );
  process.kill(pid);
  expect(await Bun.file(join(directory, "stdin")).json()).toEqual(keys);
  expect(await Bun.file(join(directory, "env")).text()).not.toContain("secret");
});

test("a daemon that dies before it reads its keys says why all the same", async () => {
  const error = await failureOf(
    launch(`exec <&-; printf 'keyhole: error: no room\nkeyhole: kind: unsafe-path\n' >&2; exit 1`),
  );
  expect([error.kind, error.message]).toEqual(["unsafe-path", "no room"]);
});

test("a daemon that is to serve the shared socket is told which, whatever the environment says", async () => {
  const { paths } = resolveSettings({}, { HOME: directory, KEYHOLE_SHARED_SOCKET: "/srv/k.sock" }, () => directory);
  const { pid } = await launch(
    `echo "$@" "$KEYHOLE_SHARED_SOCKET" >"${directory}/words"; echo "keyhole: ready at somewhere"; exec sleep 60`,
    { KEYHOLE_SHARED_SOCKET: "/elsewhere" },
    undefined,
    { isShared: true, paths },
  );
  process.kill(pid);
  expect((await Bun.file(join(directory, "words")).text()).trimEnd()).toEndWith(" --shared /srv/k.sock");
});

test("a daemon's own error comes back with its kind and hint", async () => {
  const error = await failureOf(
    launch(`printf 'keyhole: error: no room\\nkeyhole: kind: unsafe-path\\nkeyhole: hint: df\\n' >&2; exit 1`),
  );
  expect([error.kind, error.message, error.hint]).toEqual(["unsafe-path", "no room", "df"]);
});

test("a daemon that dies without a word is `start-failed`", async () => {
  expect((await failureOf(launch("exit 1"))).kind).toBe("start-failed");
});

test("words that are not the daemon's do not count as ready", async () => {
  expect((await failureOf(launch("echo Segmentation fault; exit 1"))).kind).toBe("start-failed");
});

test("where another one holds the lock and never answers, the launch fails with its error in the end", async () => {
  const error = await failureOf(
    launch(`echo x >>"${directory}/tries"
      printf 'keyhole: error: a daemon is already running (pid 1)\\nkeyhole: kind: already-running\\n' >&2; exit 1`),
  );
  expect(error.kind).toBe("already-running");
  expect(await Bun.file(join(directory, "tries")).text()).toBe("x\n".repeat(5));
});

describe("a daemon that replaces another", () => {
  test("is told to wait, and the other one is ended when it does", async () => {
    const { pid } = await launch(
      `echo "$@" >"${directory}/words"; echo "keyhole: waiting"
      until [ -e "${directory}/gone" ]; do :; done; echo "keyhole: ready at somewhere"; exec sleep 60`,
      {},
      () => Bun.write(join(directory, "gone"), ""),
    );
    process.kill(pid);
    expect((await Bun.file(join(directory, "words")).text()).trimEnd()).toEndWith(" --replace");
  });

  test("ends nobody where it cannot start", async () => {
    let ended = 0;
    const launched = launch(
      "printf 'keyhole: error: no room\\nkeyhole: kind: unsafe-path\\n' >&2; exit 1",
      {},
      async () => {
        ended += 1;
      },
    );
    expect((await failureOf(launched)).message).toBe("no room");
    expect(ended).toBe(0);
  });

  test("is not left behind where the other one does not end", async () => {
    const launched = launch(`echo $$ >"${directory}/pid"; echo "keyhole: waiting"; exec sleep 60`, {}, () =>
      Promise.reject(new KeyholeError("timeout", "still running")),
    );
    expect((await failureOf(launched)).message).toBe("still running");
    const pid = await pidIn(join(directory, "pid"));
    await until(() => !isAlive(pid));
  });
});
