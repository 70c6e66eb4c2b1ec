// Shared mode and services in a whole Debian that was booted by systemd: packaging, users, boots, lingering.
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { resolve } from "node:path";
import { until } from "../interop/run.ts";
import { createBox } from "./rigs/booted.ts";
import { isReady, rigs, testWith } from "./rigs/rigs.ts";

const executable = resolve(import.meta.dir, "../..", process.env["KEYHOLE_TEST_EXECUTABLE"] ?? "dist/keyhole");
const test = testWith([rigs.systemd]);

describe("a machine with three users", () => {
  let box: ReturnType<typeof createBox>;
  const as = (name: string, words: string) =>
    box.inside(["runuser", "-u", name, "--", ...words.split(" ")], {
      HOME: `/home/${name}`,
      XDG_RUNTIME_DIR: name === "developer" ? "/run/user/51004" : "",
      AWS_EC2_METADATA_DISABLED: "true",
    });
  const root = (words: string) => box.inside(words.split(" "));
  const property = async (name: string) =>
    (await root(`systemctl show --property=${name} --value keyhole-shared.service`)).stdout.trim();
  /** There is no STS: who is served hears that the operator has no credentials. */
  const expectServed = async () => expect((await as("agent", "keyhole export -n dev")).exitCode).toBe(5);

  beforeAll(async () => {
    if (!isReady(rigs.systemd)) return;
    box = createBox();
    box.install(executable, "keyhole");
    await box.start();
    for (const [name, uid] of Object.entries({ oper: 51001, agent: 51002, stranger: 51003, developer: 51004 })) {
      const made = await root(`useradd --create-home --shell /bin/sh --uid ${uid} ${name}`);
      expect(made.exitCode).toBe(0);
    }
    await as("oper", "keyhole config add -n dev --role-arn arn:aws:iam::111122223333:role/dev");
    const policy = "umask 077; echo 'allow: [{ user: agent, configs: [dev] }]' > /home/oper/.keyhole/shared.yaml";
    await box.inside(["runuser", "-u", "oper", "--", "sh", "-c", policy]);
  }, 60_000);

  afterAll(async () => {
    await box?.stop();
    await box?.remove();
  }, 60_000);

  test("setup and install make a shared daemon that the system runs", async () => {
    expect((await root("keyhole setup agent-access --agent-user agent --daemon-user oper")).exitCode).toBe(0);
    expect((await root("keyhole service install --shared --user oper")).exitCode).toBe(0);
    expect((await root("keyhole service status --shared --user oper")).exitCode).toBe(0);
    const { stdout } = await root("stat -c %A-%U-%G /run/keyhole /run/keyhole/keyhole.sock");
    expect(stdout).toBe("drwxr-s----oper-keyhole\nsrw-rw-----oper-keyhole\n");
    await expectServed();
    expect((await as("agent", "keyhole export -n other")).exitCode).toBe(9);
    expect((await as("stranger", "keyhole export -n dev")).exitCode).toBe(9);
  });

  test("systemd has nothing to say about the units, and rates them as they were rated", async () => {
    const { exitCode, stderr } = await root("systemd-analyze verify keyhole-shared.service keyhole-shared.socket");
    expect([exitCode, stderr]).toEqual([0, ""]);
    const rating = await root("systemd-analyze security --no-pager keyhole-shared.service");
    expect(Number(/Overall exposure level for \S+: ([\d.]+)/.exec(rating.stdout)?.[1])).toBeLessThan(5);
  });

  test("a member's question starts it where it does not run, and one after kill -9 is answered", async () => {
    await root("systemctl stop keyhole-shared.service");
    await expectServed();
    expect(await property("ActiveState")).toBe("active");
    expect((await root("systemctl kill --signal=KILL keyhole-shared.service")).exitCode).toBe(0);
    await expectServed();
    expect(await property("NRestarts")).toBe("1");
    const before = await property("MainPID");
    expect((await as("oper", "keyhole daemon restart")).exitCode).toBe(0);
    expect(await property("MainPID")).not.toBe(before);
    await expectServed();
  });

  test("a user who lingers has a daemon of their own without being logged in", async () => {
    await root("loginctl enable-linger developer");
    await until(
      "the user's manager",
      10,
      async () => (await as("developer", "systemctl --user show-environment")).exitCode === 0,
    );
    expect((await as("developer", "keyhole service install")).exitCode).toBe(0);
    expect((await as("developer", "keyhole daemon status")).exitCode).toBe(0);
  });

  test("both are there after a boot, whose /run is empty", async () => {
    await box.stop();
    await box.start();
    await expectServed();
    expect((await as("stranger", "keyhole export -n dev")).exitCode).toBe(9);
    expect((await as("developer", "keyhole service status")).exitCode).toBe(0);
    expect((await root("systemctl --failed --quiet --plain")).stdout).toBe("");
  });

  test("uninstalling leaves no unit behind, and members are told that nobody answers", async () => {
    expect((await root("keyhole service uninstall --shared --user oper")).exitCode).toBe(0);
    expect((await root("sh -c ls\\ /etc/systemd/system/keyhole*")).exitCode).not.toBe(0);
    expect((await as("agent", "keyhole export -n dev")).exitCode).toBe(3);
  });
});
