import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyhole as run } from "../../fakes/world.ts";

let home: string;
let ran: string[];
/** What a program answers; everything else succeeds in silence. */
let answers: Record<string, { status?: number; stdout?: string; stderr?: string }>;

beforeEach(() => {
  home = fs.mkdtempSync(join(tmpdir(), "keyhole-service-"));
  ran = [];
  answers = {};
});
afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

const keyhole = (
  words: string,
  platform: NodeJS.Platform = "linux",
  userId = process.getuid!(),
  environment: Readonly<Record<string, string>> = {},
) =>
  run(words.split(" "), {
    environment: { HOME: home, ...environment },
    host: {
      platform,
      userId: () => userId,
      runTool: async (command) => {
        ran.push(command.join(" "));
        const found = Object.entries(answers).find(([start]) => command.join(" ").startsWith(start))?.[1];
        return { status: 0, stdout: "", stderr: "", ...found };
      },
    },
  });
const unit = (name: string) => join(home, ".config/systemd/user", name);

describe("service install", () => {
  test("writes the units, which anybody may read, and has systemd take them", async () => {
    const { exit, stdout, stderr } = await keyhole("service install");
    expect([exit, stdout]).toEqual([0, ""]);
    expect(stderr).toContain("to keep it while you are logged out: loginctl enable-linger\n");
    expect(fs.readFileSync(unit("keyhole.service"), "utf8")).toContain("\nExecStart=/opt/keyhole --daemon\n");
    expect(fs.statSync(unit("keyhole.socket")).mode & 0o777).toBe(0o644);
    expect(fs.statSync(join(home, ".keyhole/sock")).mode & 0o777).toBe(0o700);
    expect(ran).toEqual([
      "systemctl --user show-environment",
      "systemctl --user daemon-reload",
      "systemctl --user enable keyhole.socket keyhole.service",
      "systemctl --user restart keyhole.socket keyhole.service",
    ]);
  });

  test("passes on what this command line says of the daemon", async () => {
    const { stdout } = await keyhole("service install --dry-run --socket-path /s/x.sock -mdcs 7");
    expect(stdout).toContain("ExecStart=/opt/keyhole --daemon --socket-path=/s/x.sock --max-daemon-cache-size=7\n");
    expect(stdout).toContain("\nListenStream=/s/x.sock\n");
  });

  test("does nothing in a dry run", async () => {
    const { exit, stdout, stderr } = await keyhole("service install --dry-run");
    expect([exit, stderr, ran]).toEqual([0, "", []]);
    expect(stdout).toContain(`# ${unit("keyhole.service")}\n`);
    expect(stdout).toEndWith("$ systemctl --user restart keyhole.socket keyhole.service\n");
    expect(fs.existsSync(join(home, ".config"))).toBe(false);
  });

  test("with --json says what it does, and whether it did", async () => {
    const dry = JSON.parse((await keyhole("service install --dry-run --json")).stdout) as Record<string, unknown>;
    const { stdout } = await keyhole("service install --json");
    expect(dry).toMatchObject({ service: "keyhole.service", done: false, files: { length: 2 } });
    expect(JSON.parse(stdout)).toEqual({ ...dry, done: true });
    expect(dry["commands"]).toEqual(ran.filter((tool) => !tool.endsWith("show-environment")));
  });

  test.each([
    [{ status: 127 }, "there is no systemd here"],
    [
      { status: 1, stderr: "Failed to connect to bus: No medium found\n" },
      "your systemd does not answer: Failed to connect to bus: No medium found",
    ],
  ])("without a manager (%j) writes nothing, and says so", async (answer, message) => {
    answers["systemctl --user show-environment"] = answer;
    const { exit, stderr } = await keyhole("service install");
    expect([exit, stderr.split("\n")[0]]).toEqual([3, `keyhole: error: ${message}`]);
    expect(fs.existsSync(join(home, ".config"))).toBe(false);
  });

  test("says which command failed", async () => {
    answers["systemctl --user enable"] = { status: 1, stderr: "Unit is masked." };
    const { exit, stderr } = await keyhole("service install");
    expect(exit).toBe(1);
    expect(stderr).toEndWith(
      "keyhole: error: systemctl failed (exit 1): Unit is masked.\n" +
        "keyhole: hint: systemctl --user enable keyhole.socket keyhole.service\n",
    );
  });

  test.each(["a\nExecStartPre=/bin/false", "a\u0085b", "a\\"])("takes no path %j into a unit", async (name) => {
    for (const variable of ["KEYHOLE_HOME", "KEYHOLE_SOCKET"]) {
      const path = join(home, name);
      const { exit, stdout } = await keyhole("service install --dry-run", "linux", undefined, { [variable]: path });
      expect([exit, stdout]).toEqual([2, ""]);
    }
  });

  test("takes relative paths from here, where the service does not run", async () => {
    const { stdout } = await keyhole("service install --dry-run", "linux", undefined, { KEYHOLE_HOME: "k" });
    expect(stdout).toContain("\nEnvironment=KEYHOLE_HOME=/here/k\n");
    expect(stdout).toContain("\nListenStream=/here/k/sock/daemon.sock\n");
  });

  test("keeps how AWS is reached from here, but no password, and says so", async () => {
    const ways = { HTTPS_PROXY: "http://proxy:3128", no_proxy: "localhost,.local", SSL_CERT_FILE: "certs/ca.pem" };
    const environment = {
      ...ways,
      HTTP_PROXY: "http://me:secret@proxy:3128",
      AWS_PROFILE: "dev",
      AWS_CA_BUNDLE: "/ca",
    };
    const { stdout, stderr } = await keyhole("service install", "linux", undefined, environment);
    const text = fs.readFileSync(unit("keyhole.service"), "utf8");
    const lines = text.split("\n").filter((line) => line.startsWith("Environment="));
    expect(lines.map((line) => line.replaceAll('"', ""))).toEqual([
      "Environment=HTTPS_PROXY=http://proxy:3128",
      "Environment=no_proxy=localhost,.local",
      "Environment=SSL_CERT_FILE=/here/certs/ca.pem",
    ]);
    expect(stdout + stderr + text).not.toContain("secret");
    expect(stderr).toContain("HTTP_PROXY is not written, because a password may be in it: set it yourself\n");
    const agent = await keyhole("service install --dry-run", "darwin", undefined, environment);
    expect(agent.stdout).toContain("<key>HTTPS_PROXY</key>");
  });

  test.each(["install", "uninstall"])("%s leaves a unit alone that somebody else wrote or masked", async (command) => {
    fs.mkdirSync(join(home, ".config/systemd/user"), { recursive: true });
    fs.writeFileSync(unit("keyhole.service"), "[Service]\nExecStart=/bin/true\n");
    const written = await keyhole(`service ${command}`);
    expect([written.exit, written.stderr]).toEqual([
      1,
      `keyhole: error: ${unit("keyhole.service")} was not written by: keyhole service install\n` +
        `keyhole: hint: mv ${unit("keyhole.service")} ${unit("keyhole.service.old")}\n`,
    ]);
    expect(fs.readFileSync(unit("keyhole.service"), "utf8")).toBe("[Service]\nExecStart=/bin/true\n");
    fs.rmSync(unit("keyhole.service"));
    fs.symlinkSync("/dev/null", unit("keyhole.socket"));
    expect((await keyhole(`service ${command}`)).exit).toBe(1);
    expect(fs.existsSync(unit("keyhole.socket"))).toBe(true);
    expect(ran.filter((tool) => tool !== "systemctl --user show-environment")).toEqual([]);
  });

  test("on macOS puts an agent in place of the one before", async () => {
    const { exit } = await keyhole("service install", "darwin");
    expect([exit, ran[0], ran[1]]).toEqual([
      0,
      `launchctl bootout gui/${process.getuid!()}/keyhole.daemon`,
      `launchctl bootstrap gui/${process.getuid!()} ${home}/Library/LaunchAgents/keyhole.daemon.plist`,
    ]);
  });

  test.each([
    ["--shared", 1000, 9, "this command needs root"],
    ["--shared", 0, 2, "--user is missing"],
    ["--shared --user root", 0, 2, "does not run as root"],
    ["--shared --user no-such-user-here", 0, 2, "there is no user no-such-user-here"],
    ["--shared --user=-x", 0, 2, "--user is not the name"],
  ])("%s of uid %d exits with %d", async (words, uid, exit, said) => {
    const result = await keyhole(`service install --dry-run ${words}`, "linux", uid);
    expect([result.exit, result.stdout, result.stderr]).toEqual([exit, "", expect.stringContaining(said)]);
  });
});

test.each(["install", "uninstall", "status"])("service %s --shared of a user names itself for root", async (action) => {
  const { exit, stderr } = await keyhole(`service ${action} --shared`, "linux", 1000);
  expect([exit, stderr]).toEqual([9, expect.stringContaining(`hint: sudo keyhole service ${action} --shared\n`)]);
});

describe("service uninstall", () => {
  test("ends what is there, removes it, and has systemd forget it", async () => {
    await keyhole("service install");
    ran.length = 0;
    expect((await keyhole("service uninstall")).exit).toBe(0);
    expect(ran).toEqual([
      "systemctl --user disable --now keyhole.socket keyhole.service",
      "systemctl --user daemon-reload",
    ]);
    expect(fs.existsSync(unit("keyhole.service"))).toBe(false);
    expect((await keyhole("service uninstall")).stderr).toBe("keyhole.service is not installed\n");
  });

  test("removes the files also where no manager answers any more", async () => {
    await keyhole("service install");
    answers["systemctl"] = { status: 1 };
    expect((await keyhole("service uninstall")).exit).toBe(0);
    expect(fs.existsSync(unit("keyhole.socket"))).toBe(false);
  });

  test("does nothing in a dry run", async () => {
    await keyhole("service install");
    ran.length = 0;
    expect((await keyhole("service uninstall --dry-run")).stdout).toContain(`$ rm ${unit("keyhole.service")}\n`);
    expect([ran, fs.existsSync(unit("keyhole.service"))]).toEqual([[], true]);
  });
});

test("service uninstall --json says what it does, and whether it did", async () => {
  expect(JSON.parse((await keyhole("service uninstall --json")).stdout)).toMatchObject({ done: false });
  await keyhole("service install");
  expect(JSON.parse((await keyhole("service uninstall --json --dry-run")).stdout)).toMatchObject({ done: false });
  const { stdout } = await keyhole("service uninstall --json");
  expect(JSON.parse(stdout)).toEqual({
    service: "keyhole.service",
    commands: [
      "systemctl --user disable --now keyhole.socket keyhole.service",
      `rm ${unit("keyhole.service")}`,
      `rm ${unit("keyhole.socket")}`,
      "systemctl --user daemon-reload",
    ],
    done: true,
  });
});

describe("service status", () => {
  test("is what the manager says, and 3 where it does not run", async () => {
    expect((await keyhole("service status")).exit).toBe(3);
    await keyhole("service install");
    const said = "ActiveState=active\nSubState=running\nUnitFileState=enabled\nMainPID=42\nNRestarts=3\n";
    answers["systemctl --user show"] = { stdout: said };
    const { exit, stdout } = await keyhole("service status --json");
    expect([exit, JSON.parse(stdout)]).toEqual([
      0,
      {
        service: "keyhole.service",
        installed: true,
        running: true,
        state: "active",
        enabled: true,
        pid: 42,
        restarts: 3,
        files: [unit("keyhole.service"), unit("keyhole.socket")],
      },
    ]);
    answers["systemctl --user show"] = { stdout: said.replace("active", "failed") };
    expect((await keyhole("service status")).exit).toBe(3);
  });

  test("on macOS reads launchd's own words", async () => {
    await keyhole("service install", "darwin");
    answers["launchctl print"] = { stdout: "gui/501/keyhole.daemon = {\n\tstate = running\n\tpid = 77\n}\n" };
    const { exit, stdout } = await keyhole("service status --json", "darwin");
    expect([exit, JSON.parse(stdout)]).toMatchObject([0, { running: true, pid: 77 }]);
  });
});
