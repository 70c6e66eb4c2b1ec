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
      throw new KeyholeError("forbidden", "no config dev is shared with you", "ask");
    },
  });
  const result = await keyhole(EXPORT, { environment: environment(daemon.socket) });
  expect(result).toMatchObject({ exit: 9, stdout: "" });
  expect(result.stderr).toStartWith("keyhole: error: no config dev is shared with you\n");
  expect(daemon.requests).toHaveLength(1);
});

test("a name is needed, and nobody is asked for one", async () => {
  await using daemon = startFakeDaemon({});
  const result = await keyhole(["export"], { environment: environment(daemon.socket), answers: ["dev"] });
  expect(result).toMatchObject({ exit: 2, questions: [] });
  expect(daemon.connections()).toBe(0);
});

describe("where nobody answers it fails, in words that name both places (A-012, A-015)", () => {
  test("the directory is there and the daemon is not", async () => {
    const socket = join(home, "run", "s.sock");
    mkdirSync(join(home, "run"));
    const result = await keyhole(EXPORT, { environment: environment(socket) });
    expect(result).toEqual({
      exit: 3,
      stdout: "",
      stderr:
        `keyhole: error: no daemon answers at the shared socket ${socket} (autostart suppressed), ` +
        `and you have no config dev in ${home}/.keyhole/configs\n` +
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
    expect(result.stderr).toContain(
      `the daemon at the shared socket ${socket} does not serve this user, and you have no config`,
    );
  });
});

/** Another user than the one that listens. */
const member = (words: string, daemon: { readonly socket: string }) =>
  run(words.split(" "), {
    environment: { ...environment(daemon.socket), KEYHOLE_AUTOSTART: "0" },
    host: { userId: () => 4711 },
  });

describe("commands about the user's own daemon, where the shared one serves the user (A-012)", () => {
  const hello = { Hello: () => ({ version: "9.9", pid: 77 }) };

  test("status shows the shared daemon, and is a success", async () => {
    await using daemon = startFakeDaemon(hello);
    expect(await member("daemon status", daemon)).toMatchObject({
      exit: 0,
      stderr: "",
      stdout: expect.stringMatching(/^the shared daemon serves you: keyhole export -n NAME\n {2}socket +\S+\n/),
    });
    const { stdout } = await member("daemon status --json", daemon);
    expect(JSON.parse(stdout)).toMatchObject({
      running: false,
      shared: { socket: daemon.socket, uid: process.getuid!(), pid: 77, version: "9.9" },
    });
  });

  test.each([
    ["daemon start", "keyhole daemon status"],
    ["daemon restart", "keyhole daemon status"],
    ["daemon add -n dev", "keyhole export -n dev"],
  ])("%s refuses, unless --own says that it is meant", async (words, hint) => {
    await using daemon = startFakeDaemon(hello);
    const refused = await member(words, daemon);
    expect(refused).toMatchObject({ exit: 1, stdout: "" });
    expect(refused.stderr).toStartWith(`keyhole: error: the shared daemon at ${daemon.socket} serves you; with --own `);
    expect(refused.stderr).toEndWith(`keyhole: hint: ${hint}\n`);
    expect((await member(`${words} --own`, daemon)).exit).toBe(3);
  });

  test("daemon list is about the user's own", async () => {
    await using daemon = startFakeDaemon({});
    await member("daemon list", daemon);
    expect(daemon.connections()).toBe(0);
  });

  test("where nobody answers, and for the operator, all is as without a shared socket", async () => {
    mkdirSync(join(home, "run"));
    expect((await member("daemon start", { socket: join(home, "run", "s.sock") })).exit).toBe(3);
    await using daemon = startFakeDaemon(hello);
    const own = { environment: { ...environment(daemon.socket), KEYHOLE_AUTOSTART: "0" } };
    for (const words of ["daemon start", "daemon status"]) expect((await keyhole(words.split(" "), own)).exit).toBe(3);
  });
});
