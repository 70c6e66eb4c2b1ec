// Homes that are not as keyhole would make them: links, a group's, root's, none.
import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { as, asNobody, canBeOthers, giveHomeToOrdinary, NOBODY, publicExecutable } from "./daemons.ts";
import { configText, createMachine, isAlive, type Machine, type Result, until } from "./machine.ts";
import { moveKeysToFile } from "./keyfile.ts";

const EXPORT = ["export", "-f", "credential-process", "-n", "dev"];

const expectCredentials = ({ stdout, stderr, exitCode }: Result): void => {
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(JSON.parse(stdout)).toHaveProperty("SessionToken");
};

/** Everything that makes something in a home, and uses it again. */
async function useAll(machine: Machine, options = {}): Promise<void> {
  expectCredentials(await machine.run(EXPORT, options));
  for (const command of [
    "config list",
    "config update -n dev --set Meta.description=x",
    "grant add g --config dev --no-executable",
    "grant revoke g",
    "grant remove --yes g",
    "exec --refresh -n dev -- true",
    "daemon restart",
    "daemon status",
  ]) {
    const { stderr, exitCode } = await machine.run(command.split(" "), options);
    expect([command, exitCode, exitCode === 0 ? "" : stderr]).toEqual([command, 0, ""]);
  }
  expectCredentials(await machine.run(EXPORT, options));
  const { stdout } = await machine.run(["doctor"], options);
  expect(stdout.match(/^problem .*$/gm) ?? []).toEqual([]);
}

test("a home that is a link of its owner's is a home", async () => {
  await using machine = await createMachine();
  moveKeysToFile(machine);
  fs.mkdirSync(join(machine.home, "other-disk", "keyhole"), { recursive: true, mode: 0o700 });
  fs.symlinkSync(join(machine.home, "other-disk", "keyhole"), machine.paths.home);
  await machine.addConfig("dev");
  await useAll(machine);
  expect(fs.readdirSync(join(machine.home, "other-disk", "keyhole"))).toContain("configs");
});

test("a home whose link leads elsewhere is another home: the daemon ends, and its grants with it", async () => {
  await using machine = await createMachine();
  const { home } = machine.paths;
  await machine.addConfig("dev");
  await machine.keyhole("grant add box --config dev");
  const { directory } = JSON.parse(await machine.keyhole("grant show box --json")) as { directory: string };
  const [here, there] = [`${home}.here`, `${home}.there`];
  fs.renameSync(home, here);
  fs.symlinkSync(here, home);
  const theirs = ["daemon.log", "audit.jsonl"].map((name) => join(there, "logs", name));
  fs.mkdirSync(join(there, "logs"), { recursive: true, mode: 0o700 });
  for (const file of theirs) fs.writeFileSync(file, "", { mode: 0o600 });
  const holder = join(directory.replace(home, here), "keyhole");
  expectCredentials(await machine.run(EXPORT.slice(0, 3), { program: holder }));

  const pid = machine.daemonPid()!;
  fs.rmSync(home);
  fs.symlinkSync(there, home);
  await until(() => !isAlive(pid));
  expect(fs.existsSync(join(there, "sock", "daemon.sock"))).toBe(false);
  for (const file of theirs) expect([file, fs.readFileSync(file, "utf8")]).toEqual([file, ""]);
  const refused = await machine.run(EXPORT.slice(0, 3), { program: holder });
  expect(refused).toMatchObject({ stdout: "" });
  expect(refused.exitCode).not.toBe(0);
});

test("configs may be a link, as dotfile managers make them", async () => {
  await using machine = await createMachine();
  moveKeysToFile(machine);
  fs.mkdirSync(join(machine.home, "dotfiles", "configs"), { recursive: true, mode: 0o755 });
  fs.mkdirSync(machine.paths.home, { mode: 0o755 });
  fs.symlinkSync("../dotfiles/configs", machine.paths.configs);
  await machine.addConfig("dev");
  await useAll(machine);
  expect(fs.readdirSync(join(machine.home, "dotfiles", "configs"))).toEqual(["dev.yaml"]);
});

test.skipIf(!canBeOthers)("a home that is another user's link is none", async () => {
  await using machine = await createMachine();
  fs.mkdirSync(join(machine.home, "real"), { mode: 0o700 });
  fs.symlinkSync(join(machine.home, "real"), machine.paths.home);
  fs.lchownSync(machine.paths.home, NOBODY, NOBODY);
  const { stderr, exitCode } = await machine.run(machine.adding("dev"));
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("belongs to another user")]);
  expect(fs.readdirSync(join(machine.home, "real"))).toEqual([]);
});

/** The lines of passwd(5) or group(5), as fields. */
function fieldsIn(path: string): string[][] {
  return fs
    .readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(":"));
}

/** A user that /etc/passwd knows, with a group that nobody else is in; undefined where there is none. */
function userWithOwnGroup(): { readonly uid: number; readonly gid: number } | undefined {
  const users = fieldsIn("/etc/passwd").map(([, , uid, gid]) => ({ uid: Number(uid), gid: Number(gid) }));
  const groups = fieldsIn("/etc/group");
  return users.find(
    ({ uid, gid }) =>
      uid > 0 &&
      users.filter((each) => each.gid === gid).length === 1 &&
      groups.some((group) => Number(group[2]) === gid && group[3] === ""),
  );
}

const user = canBeOthers ? userWithOwnGroup() : undefined;

test.skipIf(user === undefined)(
  "what was made by hand under umask 002 is fine where the group is its owner's own",
  async () => {
    await using machine = await createMachine();
    moveKeysToFile(machine);
    using program = publicExecutable();
    const { uid, gid } = user!;
    const under = ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
    const options = { under, program: program.path, cwd: "/" };
    fs.mkdirSync(machine.paths.configs, { recursive: true });
    fs.writeFileSync(join(machine.paths.configs, "dev.yaml"), configText(machine, "dev"));
    for (const path of [
      machine.home,
      machine.paths.home,
      machine.paths.configs,
      join(machine.paths.configs, "dev.yaml"),
    ]) {
      fs.chownSync(path, uid, gid);
      fs.chmodSync(path, fs.statSync(path).isDirectory() ? 0o775 : 0o664);
    }
    Bun.spawnSync(["chown", "-R", `${uid}:${gid}`, machine.home]);
    await useAll(machine, options);
    await machine.run(["daemon", "stop"], options);
    // A group that others are in, or may be.
    fs.chownSync(machine.paths.configs, uid, 54_321);
    const { stderr, exitCode } = await machine.run(EXPORT, options);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining(`${machine.paths.configs} can be written by others`),
    ]);
  },
);

test.skipIf(!canBeOthers)("root in a user's home leaves nothing of root's there", async () => {
  await using machine = await createMachine();
  giveHomeToOrdinary(machine);
  using program = publicExecutable();
  const options = { under: asNobody, program: program.path };
  const commands = [
    machine.adding("dev"),
    EXPORT,
    ["daemon", "start"],
    ["exec", "--refresh", "-n", "dev", "--", "true"],
    ["service", "install"],
  ];
  const foreign = () => Bun.spawnSync(["find", machine.home, "-uid", "0"]).stdout.toString();
  for (const command of commands) expect((await machine.run(command)).exitCode).not.toBe(0);
  expect([foreign(), fs.readdirSync(machine.home)]).toEqual(["", ["work"]]);
  expect((await machine.run(machine.adding("dev"))).stderr).toContain(
    "hint: run keyhole as that user, or in root's own home",
  );
  expect((await machine.run(machine.adding("dev"), options)).exitCode).toBe(0);
  for (const command of commands) expect((await machine.run(command)).exitCode).not.toBe(0);
  expect(foreign()).toBe("");
  expectCredentials(await machine.run(EXPORT, options));
  await machine.run(["daemon", "stop"], options);
});

test.skipIf(!canBeOthers)("what root left in a home is no sandbox, and is named with what mends it", async () => {
  await using machine = await createMachine();
  giveHomeToOrdinary(machine);
  using program = publicExecutable();
  const options = { under: asNobody, program: program.path };
  const socketDirectory = join(machine.paths.home, "sock");
  expect((await machine.run(machine.adding("dev"), options)).exitCode).toBe(0);
  fs.mkdirSync(socketDirectory, { mode: 0o700 });
  const foreign = await machine.run(EXPORT, options);
  expect(foreign).toMatchObject({ exitCode: 1, stdout: "" });
  expect(foreign.stderr).toBe(
    `keyhole: error: ${socketDirectory} belongs to another user (uid 0)\n` +
      `keyhole: hint: sudo chown -R ${NOBODY} ${socketDirectory}\n`,
  );
  fs.chownSync(socketDirectory, NOBODY, NOBODY);
  fs.chmodSync(socketDirectory, 0o600);
  expect((await machine.run(EXPORT, options)).stderr).toContain(`hint: chmod u+rwx ${socketDirectory}\n`);
  fs.chmodSync(socketDirectory, 0o700);
  expectCredentials(await machine.run(EXPORT, options));
  await machine.run(["daemon", "stop"], options);
});

test.skipIf(!canBeOthers)("a user without a home, whom no file knows, is served with KEYHOLE_HOME alone", async () => {
  await using machine = await createMachine();
  const program = publicExecutable();
  const uid = 54_321;
  const home = fs.mkdtempSync(join(machine.home, "k-"));
  fs.chmodSync(machine.home, 0o755);
  fs.chownSync(home, uid, uid);
  const env = { HOME: undefined, KEYHOLE_HOME: home };
  const options = { under: as(uid), program: program.path, cwd: "/", env };
  try {
    expect((await machine.run(machine.adding("dev"), options)).exitCode).toBe(0);
    expectCredentials(await machine.run(EXPORT, options));
    expectCredentials(await machine.run(EXPORT, { ...options, env: { ...env, KEYHOLE_DISABLE: "1" } }));
    await machine.run(["daemon", "stop"], options);
    expect(fs.existsSync(join(home, "configs", "dev.yaml"))).toBe(true);
  } finally {
    fs.rmSync(home, { recursive: true, force: true });
    program.remove();
  }
});
