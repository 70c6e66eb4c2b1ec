// Shared mode, as three real users of one machine have it: an operator, an agent in the group, a stranger.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type Sts, startSts } from "../sts/server.ts";
import { until } from "../processes.ts";
import { attack } from "./memberattack.ts";
import { credentialsFile } from "./keyfile.ts";
import { roleArn } from "./machine.ts";
import { createUsers, noUsers, type Users } from "./users.ts";

if (noUsers !== undefined) console.error(`NOT TESTED, shared mode as three users: ${noUsers}`);

const SOCKET = "/var/run/keyhole/keyhole.sock";
const POLICY = "allow: [{ user: agent, configs: [dev, ci, keys] }, { group: keyhole, configs: [readonly] }]\n";

describe.skipIf(noUsers !== undefined)(`three users${noUsers === undefined ? "" : ` (skipped: ${noUsers})`}`, () => {
  let users: Users;
  let sts: Sts;
  let daemon: ReturnType<Users["spawn"]>;

  async function startDaemon() {
    const child = users.spawn([...users.as("oper"), users.program, "--daemon", "--shared"]);
    const { value } = await child.stdout.getReader().read();
    if (value === undefined) throw new Error(await new Response(child.stderr).text());
    return child;
  }

  const config = (name: string) =>
    users.write(
      "oper",
      `.keyhole/configs/${name}.yaml`,
      `AssumeRole:\n  RoleArn: ${roleArn(name)}\nSTS:\n  endpoint_url: ${sts.url}\nSession:\n  region_name: eu-west-1\n`,
    );

  beforeAll(async () => {
    sts = startSts();
    users = await createUsers(["oper", "agent", "stranger", "member"]);
    await users.write("oper", ".aws/credentials", credentialsFile(sts.root));
    for (const name of ["dev", "ci", "readonly", "admin"]) await config(name);
    await users.write("oper", ".keyhole/configs/keys.yaml", "Session:\n  profile_name: default\n");
    await users.write("oper", ".keyhole/shared.yaml", POLICY);
  }, 60_000);

  afterAll(async () => {
    daemon?.kill();
    await daemon?.exited;
    await users?.[Symbol.asyncDispose]();
    await sts?.stop();
  });

  const setup = (words: string, env = {}) =>
    users.asRoot([users.program, "setup", "agent-access", ...words.split(" ")], { HOME: "/root", ...env });

  test("before there is a directory, the daemon says which command makes it (A-009)", async () => {
    const { exitCode, stderr } = await users.keyhole("oper", "--daemon --shared");
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain("error: the directory /var/run/keyhole of the shared socket does not exist\n");
    expect(stderr).toContain("hint: sudo keyhole setup agent-access --agent-user USER\n");
    expect(stderr).not.toContain("kind:");
  });

  test("setup prints what it would do, does it, and changes nothing the second time (A-021)", async () => {
    const words = "--agent-user agent";
    const env = { SUDO_USER: "oper" };
    const dry = await setup(`${words} --dry-run`, env);
    expect(dry.stdout).toBe(
      [
        "$ groupadd --system keyhole",
        "$ usermod --append --groups keyhole oper",
        "$ usermod --append --groups keyhole agent",
        "$ install -d -m 2750 -o oper -g keyhole /var/run/keyhole",
        "",
      ].join("\n"),
    );
    expect((await users.asRoot(["getent", "group", "keyhole"])).exitCode).toBe(2);
    const done = await setup(words, env);
    expect([done.exitCode, done.stdout]).toEqual([0, ""]);
    const again = await setup(`${words} --dry-run`, env);
    expect(again.stdout).toBe("$ install -d -m 2750 -o oper -g keyhole /var/run/keyhole\n");
    await setup("--agent-user member --daemon-user oper");
    const { stdout } = await users.asRoot(["stat", "-c", "%A %U %G", "/var/run/keyhole"]);
    expect(stdout).toBe("drwxr-s--- oper keyhole\n");
  });

  test.each([
    ["--agent-user root --daemon-user oper", 2, "is root"],
    ["--agent-user nobody-of-that-name --daemon-user oper", 2, "there is no user nobody-of-that-name"],
    ["--agent-user oper --daemon-user oper", 2, "the same user"],
    ["--agent-user agent", 2, "--daemon-user"],
    ["--agent-user=-x --daemon-user oper", 2, "not the name of a user"],
  ])("setup %s is refused", async (words, exit, said) => {
    const { exitCode, stderr } = await setup(words);
    expect([exitCode, stderr]).toEqual([exit, expect.stringContaining(said)]);
  });

  test("setup by anybody but root is refused", async () => {
    const { exitCode, stderr } = await users.keyhole("oper", "setup agent-access --agent-user agent --dry-run");
    expect([exitCode, stderr]).toEqual([9, expect.stringContaining("hint: sudo keyhole setup agent-access")]);
  });

  test("while no daemon answers, a member fails and starts none, in words that name both sockets (A-012)", async () => {
    const { exitCode, stdout, stderr } = await users.keyhole("agent", "export -n dev");
    expect([exitCode, stdout]).toEqual([3, ""]);
    expect(stderr).toContain(`no daemon answers at the shared socket ${SOCKET} (autostart suppressed)`);
    expect(stderr).toContain("and you have no config dev in ");
    expect(existsSync(`${users.homeOf("agent")}/.keyhole/sock`)).toBe(false);
  });

  /** A user's config `mine`, and the keys that it is used with. */
  async function addOwnConfig(user: Parameters<Users["write"]>[0]): Promise<Record<string, string>> {
    await users.write(
      user,
      ".keyhole/configs/mine.yaml",
      `AssumeRole:\n  RoleArn: ${roleArn("mine")}\nSTS:\n  endpoint_url: ${sts.url}\n  region_name: eu-west-1\n`,
    );
    return { AWS_ACCESS_KEY_ID: sts.root.accessKeyId, AWS_SECRET_ACCESS_KEY: sts.root.secretAccessKey };
  }

  describe("with the operator's daemon", () => {
    beforeAll(async () => {
      daemon = await startDaemon();
    });

    test("the socket is the group's, whatever the operator's groups and umask (A-004, A-009)", async () => {
      const { stdout } = await users.asRoot(["stat", "-c", "%A %U %G", SOCKET]);
      expect(stdout).toBe("srw-rw---- oper keyhole\n");
    });

    test("the agent vends exactly what the policy lists, with no option and no variable (A-006, A-034)", async () => {
      for (const [name, exit] of [
        ["dev", 0],
        ["ci", 0],
        ["readonly", 0],
        ["admin", 9],
        ["no-such-config", 9],
      ] as const) {
        const { exitCode, stdout, stderr } = await users.keyhole("agent", `export -n ${name} -f credential-process`);
        expect([name, exitCode, stdout !== ""]).toEqual([name, exit, exit === 0]);
        if (exit === 0) expect(JSON.parse(stdout)).toMatchObject({ Version: 1 });
        else expect(stderr).toStartWith(`keyhole: error: no config ${name} is shared with you\n`);
      }
      expect((await users.keyhole("member", "export -n readonly")).exitCode).toBe(0);
      expect((await users.keyhole("member", "export -n dev")).exitCode).toBe(9);
    });

    test("the operator's own keys are no member's, though the policy names the config that hands them on", async () => {
      // Of a session that is made, and of one that is there.
      for (let attempt = 0; attempt < 2; attempt += 1)
        expect(await users.keyhole("agent", "export -n keys")).toEqual({
          exitCode: 1,
          stdout: "",
          stderr:
            "keyhole: error: the daemon cannot give these credentials\nkeyhole: hint: ask the operator of the shared daemon\n",
        });
      expect((await users.keyhole("oper", "export -n keys")).stdout).toContain(sts.root.accessKeyId);
      expect((await users.keyhole("oper", "daemon logs")).stdout).toContain("are long-lived keys: no member gets them");
    });

    test.skipIf(Bun.which("sudo") === null)("so it does by sudo -u agent keyhole export", async () => {
      const words = ["sudo", "-n", "-u", "agent", users.program, "export", "-n", "dev"];
      expect(await users.asRoot(words)).toMatchObject({ exitCode: 0, stderr: "" });
    });

    test("exec, shell's renewing and whoami work for a member, too", async () => {
      const keys = await users.keyhole("agent", "exec -n dev -- printenv AWS_ACCESS_KEY_ID AWS_REGION");
      expect(keys).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^ASIA\w+\neu-west-1\n$/) });
      const refreshing = await users.keyhole("agent", "exec --refresh -n dev -- sh -c cat<$AWS_CONFIG_FILE");
      expect(refreshing.stdout).toContain(` --socket-path ${SOCKET} `);
      expect(JSON.parse((await users.keyhole("agent", "whoami -n dev")).stdout)).toMatchObject({ Config: "dev" });
    });

    test("the agent can ask nothing else on the socket", async () => {
      const answers = await attack(users, "agent", SOCKET);
      for (const [message, kind] of Object.entries(answers)) {
        expect([message, kind]).toEqual([message, message === "Hello" ? "answer" : "forbidden"]);
      }
      expect(Object.keys(answers).length).toBeGreaterThan(10);
    });

    test("a member is shown the shared daemon, and starts no other by mistake (A-012)", async () => {
      const status = await users.keyhole("agent", "daemon status");
      expect([status.exitCode, status.stderr]).toEqual([0, ""]);
      expect(status.stdout).toStartWith("the shared daemon serves you: keyhole export -n NAME\n");
      for (const words of ["daemon start", "daemon restart", "daemon add -n dev"]) {
        const { exitCode, stderr } = await users.keyhole("agent", words);
        expect([words, exitCode]).toEqual([words, 1]);
        expect(stderr).toContain(`error: the shared daemon at ${SOCKET} serves you; with --own `);
      }
      expect(existsSync(`${users.homeOf("agent")}/.keyhole/sock`)).toBe(false);
    });

    test("a daemon of a member's own, running or not, does not hide the shared one (A-012)", async () => {
      const keys = await addOwnConfig("agent");
      expect(await users.keyhole("agent", "export -n dev")).toMatchObject({ exitCode: 0, stderr: "" });
      expect(await users.keyhole("agent", "daemon start")).toMatchObject({ exitCode: 0 });
      for (const name of ["dev", "mine"]) {
        for (const words of [`export -n ${name}`, `export -f credential-process -n ${name}`, `whoami -n ${name}`]) {
          expect(await users.keyhole("agent", words, keys)).toMatchObject({ exitCode: 0, stderr: "" });
        }
      }
      expect((await users.keyhole("agent", "daemon status")).stdout).toContain("the shared daemon serves you");
      expect((await users.keyhole("agent", "export -n nope")).stderr).toContain("no config nope is shared with you");
      expect((await users.keyhole("agent", "daemon stop")).exitCode).toBe(0);
      await users.asRoot(["rm", `${users.homeOf("agent")}/.keyhole/configs/mine.yaml`]);
    });

    test.each(["daemon list", "daemon status", "daemon stop", "daemon logs", "config list"])(
      "%s of the agent is about the agent's own daemon",
      async (words) => {
        const { stdout } = await users.keyhole("agent", words, { KEYHOLE_AUTOSTART: "0" });
        expect(stdout).not.toContain("arn:");
        expect(stdout).not.toContain(users.homeOf("oper"));
        expect(daemon.exitCode).toBeNull();
      },
    );

    test("a member makes no grant, also not for a run", async () => {
      expect(await users.keyhole("agent", "run --config dev --in none -- true")).toMatchObject({
        exitCode: 9,
        stderr: expect.stringContaining("grants are made by the owner of the shared daemon"),
      });
    });

    test("the agent can read nothing of the operator's", async () => {
      const home = `${users.homeOf("oper")}/.keyhole`;
      for (const file of ["shared.yaml", "configs/dev.yaml", "logs/daemon.log", "sock/daemon.sock"]) {
        const { exitCode } = await users.asRoot([...users.as("agent"), "cat", `${home}/${file}`]);
        expect([file, exitCode]).toEqual([file, 1]);
      }
      const { exitCode } = await users.keyhole("agent", `--socket-path ${home}/sock/daemon.sock export -n dev`);
      expect(exitCode).toBe(8);
    });

    test("the agent can put nothing into the directory, nor take the socket away", async () => {
      for (const script of ["touch /var/run/keyhole/x", `rm -f ${SOCKET}`]) {
        const { exitCode } = await users.asRoot([...users.as("agent"), "sh", "-c", script]);
        expect([script, exitCode]).toEqual([script, 1]);
      }
    });

    test("the stranger is refused by the kernel, and told so in words", async () => {
      const raw = await users.asRoot([...users.as("stranger"), "ls", "/var/run/keyhole"]);
      expect(raw.exitCode).not.toBe(0);
      const { exitCode, stderr } = await users.keyhole("stranger", "export -n dev");
      expect(exitCode).toBe(9);
      expect(stderr).toContain(`the daemon at the shared socket ${SOCKET} does not serve this user`);
    });

    test("a developer with configs of their own is served by a daemon of their own, which is started", async () => {
      const keys = await addOwnConfig("stranger");
      const mine = await users.keyhole("stranger", "export -n mine", keys);
      expect([mine.exitCode, mine.stderr]).toEqual([0, ""]);
      expect((await users.keyhole("stranger", "daemon stop")).exitCode).toBe(0);
    });

    test("the operator's own clients use the control socket, and see what is going on", async () => {
      expect((await users.keyhole("oper", "export -n admin")).exitCode).toBe(0);
      const status = JSON.parse((await users.keyhole("oper", "daemon status --json")).stdout) as object;
      expect(status).toMatchObject({ running: true, sharedSocket: SOCKET, managed: false, notes: [] });
      const audit = await users.keyhole("oper", "audit --json");
      expect(audit.stdout).toContain('"shared"');
    });

    test("a change of the policy counts at once; a broken one serves nobody, and says so", async () => {
      await users.write("oper", ".keyhole/shared.yaml", "allow: [{ user: agent, configs: [ci] }]\n");
      expect((await users.keyhole("agent", "export -n dev")).exitCode).toBe(9);
      expect((await users.keyhole("agent", "export -n ci")).exitCode).toBe(0);
      await users.write("oper", ".keyhole/shared.yaml", "allow: [{ user: agent, configs: ci }]\n");
      expect((await users.keyhole("agent", "export -n ci")).exitCode).toBe(9);
      const { stdout } = await users.keyhole("oper", "daemon status");
      expect(stdout).toContain(
        "shared.yaml: line 1: allow[0].configs must be a list of configs' names: no member is served",
      );
      await users.write("oper", ".keyhole/shared.yaml", POLICY);
      expect((await users.keyhole("agent", "export -n dev")).exitCode).toBe(0);
    });

    test("no member learns more of a failure than that", async () => {
      const message = "arn:aws:iam::111122223333:user/canary may not";
      sts.faults.add({ action: "AssumeRole", fail: { code: "AccessDenied", message, status: 403 } });
      await users.keyhole("oper", "daemon remove -n ci");
      const { exitCode, stderr } = await users.keyhole("agent", "export -n ci");
      sts.faults.clear();
      expect([exitCode, stderr]).toEqual([
        6,
        "keyhole: error: AWS refused to give these credentials\nkeyhole: hint: ask the operator of the shared daemon\n",
      ]);
      expect((await users.keyhole("oper", "daemon logs")).stdout).toContain("user/canary may not");
    });

    test("when it ends, the socket is gone, and members fail again", async () => {
      expect((await users.keyhole("oper", "daemon stop")).exitCode).toBe(0);
      await until(() => daemon.exitCode !== null);
      expect((await users.asRoot(["ls", "-A", "/var/run/keyhole"])).stdout).toBe("");
      expect((await users.keyhole("agent", "export -n dev")).exitCode).toBe(3);
    });
  });
});
