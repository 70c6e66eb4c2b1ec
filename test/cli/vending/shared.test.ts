import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyholeError } from "../../../src/errors.ts";
import { asOrdinaryUser } from "../../users.ts";
import { PROCESS_LINE, startFakeDaemon, vended } from "../fakes/daemon.ts";
import { keyhole as run, type WorldOptions } from "../fakes/world.ts";

let home: string;
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), "keyhole-member-"))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** As the user whose directories these are. */
const keyhole = (words: readonly string[], options: WorldOptions) =>
  run(words, { ...options, host: { userId: () => process.getuid!() } });

const environment = (shared: string) => ({ HOME: home, KEYHOLE_SHARED_SOCKET: shared });
const EXPORT = ["export", "-f", "credential-process", "-n", "dev"];

test("a user without anything of their own is given credentials by the shared daemon, which is told the name alone", async () => {
  await using daemon = startFakeDaemon({ Vend: ({ config }) => vended(config) });
  const result = await keyhole(EXPORT, { environment: environment(daemon.socket) });
  expect(result).toEqual({ exit: 0, stdout: PROCESS_LINE, stderr: "", questions: [] });
  expect(daemon.requests).toEqual([{ name: "Vend", body: { config: "dev" } }]);
});

test("whoami says what the answer says, because members may not ask AWS", async () => {
  await using daemon = startFakeDaemon({ Vend: ({ config }) => vended(config) });
  const result = await keyhole(["whoami", "-n", "dev"], { environment: environment(daemon.socket) });
  expect(JSON.parse(result.stdout)).toMatchObject({ Config: "dev", Account: "111122223333" });
});

test("what the shared daemon refuses is not asked again, and nothing is added or started", async () => {
  await using daemon = startFakeDaemon({
    Vend: () => {
      throw new KeyholeError("forbidden", 'no config "dev" is shared with you', "ask");
    },
  });
  const result = await keyhole(EXPORT, { environment: environment(daemon.socket) });
  expect(result).toMatchObject({ exit: 9, stdout: "" });
  expect(result.stderr).toStartWith('keyhole: error: no config "dev" is shared with you\n');
  expect(daemon.requests).toHaveLength(1);
});

test("a name is needed, and nobody is asked for one", async () => {
  await using daemon = startFakeDaemon({});
  const result = await keyhole(["export"], { environment: environment(daemon.socket), answers: ["dev"] });
  expect(result).toMatchObject({ exit: 2, questions: [] });
  expect(daemon.connections()).toBe(0);
});

describe("where nobody answers it fails, in words that name both sockets (A-012, A-015)", () => {
  test("the directory is there and the daemon is not", async () => {
    const socket = join(home, "run", "s.sock");
    mkdirSync(join(home, "run"));
    const result = await keyhole(EXPORT, { environment: environment(socket) });
    expect(result).toEqual({
      exit: 3,
      stdout: "",
      stderr:
        `keyhole: error: no daemon answers at the shared socket ${socket} (autostart suppressed), ` +
        `nor is there one of your own at ${home}/.keyhole/sock/daemon.sock\n` +
        "keyhole: hint: start it as its operator: keyhole --daemon --shared\n",
      questions: [],
    });
  });

  test("the directory is closed to this user", async () => {
    const socket = join(home, "run", "s.sock");
    mkdirSync(join(home, "run"));
    chmodSync(join(home, "run"), 0);
    const result = await asOrdinaryUser([home], () => keyhole(EXPORT, { environment: environment(socket) }));
    expect(result.exit).toBe(9);
    expect(result.stderr).toContain(`the daemon at the shared socket ${socket} does not serve this user, nor is`);
  });
});

test.each(["daemon add -n dev", "daemon list", "daemon status"])("%s is about the user's own daemon", async (words) => {
  await using daemon = startFakeDaemon({});
  await keyhole(words.split(" "), { environment: { ...environment(daemon.socket), KEYHOLE_AUTOSTART: "0" } });
  expect(daemon.connections()).toBe(0);
});
