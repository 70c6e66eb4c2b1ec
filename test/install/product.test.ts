// install.sh with the real executable.
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { createMachine, executable, isAlive } from "../e2e/machine.ts";
import { createHost, fakeExecutable, run, usualTools, whereIs } from "./host.ts";

const asset = `keyhole-${process.platform}-${process.arch}`;

/** The script installs into a machine's home, in which the daemon lives. */
async function installInto(home: string, url: string, ...words: readonly string[]) {
  using tools = createHost();
  const command = tools.command({ words, machine: undefined, tools: [...usualTools, "gzip"] });
  return await run(command.words, { env: { ...command.env, HOME: home, KEYHOLE_BASE_URL: url }, cwd: home });
}

test("it installs, upgrades under a running daemon and uninstalls the product", async () => {
  using host = createHost();
  await using machine = await createMachine();
  host.publishFile("0.1.0", asset, readFileSync(executable));
  const url = host.serve();
  const program = join(machine.home, ".local", "bin", "keyhole");

  const fresh = await installInto(machine.home, url, "--completions");
  expect(fresh.stderr).toMatch(/^keyhole \S+ is installed: /m);
  expect(fresh.stderr).not.toContain("daemon");
  expect(fresh.exitCode).toBe(0);
  expect(readFileSync(join(machine.home, ".local/share/zsh/site-functions/_keyhole"), "utf8")).toStartWith("#compdef ");
  const manual = join(machine.home, ".local/share/man/man1/keyhole.1");
  expect(readFileSync(manual, "utf8")).toStartWith('.TH "KEYHOLE" 1 ');
  // Nothing was started, and nothing asked of a home that has no keyhole yet.
  expect(existsSync(machine.paths.home)).toBe(false);

  await machine.addConfig("dev");
  await machine.keyhole("daemon start", { program });
  await machine.keyhole("daemon add -n dev", { program });
  const pid = machine.daemonPid()!;
  const { ino } = statSync(program);
  const again = await installInto(machine.home, url);
  expect(again.stderr).toMatch(/^keyhole \S+, as before, is installed: /m);
  expect(again.stderr).not.toContain("daemon");
  expect(statSync(program).ino).toBe(ino);

  // The size tells it apart, and what runs is the same.
  host.publishFile("0.1.1", asset, Buffer.concat([readFileSync(executable), Buffer.from("another build")]));
  const upgrade = await installInto(machine.home, url, "--completions");
  expect(upgrade.stderr).toEndWith(
    "\na daemon still runs the old executable; to change that: keyhole daemon restart\n",
  );
  expect(upgrade.exitCode).toBe(0);
  expect(statSync(program).ino).not.toBe(ino);
  // The same daemon serves the new executable, from the session that it has.
  expect(machine.daemonPid()).toBe(pid);
  expect(await machine.keyhole("export -f json -n dev", { program })).toContain("access_key");
  expect(machine.sts.count("AssumeRole")).toBe(1);
  const restart = await installInto(machine.home, url, "--restart");
  expect(restart.stderr).toMatch(/^daemon restarted \(pid \d+\)$/m);
  expect(restart.exitCode).toBe(0);
  expect(isAlive(pid)).toBe(false);
  expect((await installInto(machine.home, url, "--restart")).stderr).not.toContain("daemon");

  const removal = await installInto(machine.home, url, "--uninstall");
  expect(removal.stderr).toMatch(/^daemon stopped \(pid \d+\)$/m);
  expect(removal.stderr).toContain(`removed ${program}\n`);
  expect(removal.exitCode).toBe(0);
  expect(machine.daemonPid()).toBeUndefined();
  expect(existsSync(program) || existsSync(manual)).toBe(false);
  expect(existsSync(join(machine.paths.configs, "dev.yaml"))).toBe(true);
}, 60_000);

test("--uninstall --purge leaves nothing, and after --uninstall alone rm -rf removes the rest", async () => {
  using host = createHost();
  host.publishFile("0.1.0", asset, readFileSync(executable));
  for (const purge of [true, false]) {
    await using machine = await createMachine();
    await installInto(machine.home, host.fileUrl, "--completions");
    const program = join(machine.home, ".local", "bin", "keyhole");
    await machine.addConfig("dev");
    await machine.keyhole("grant add agent --config dev --ttl 1h", { program });
    const unit = join(machine.home, ".config/systemd/user/keyhole.service");
    mkdirSync(dirname(unit), { recursive: true });
    writeFileSync(unit, "# Written by: keyhole service install\n");
    const { stderr, exitCode } = await installInto(
      machine.home,
      host.fileUrl,
      "--uninstall",
      ...(purge ? ["--purge"] : []),
    );
    expect([exitCode, machine.daemonPid()]).toEqual([0, undefined]);
    expect(stderr).toContain(`removed ${unit}\n`);
    if (!purge)
      expect(await run(["rm", "-rf", machine.paths.home], { env: { PATH: "/usr/bin:/bin" }, cwd: "/" })).toMatchObject({
        exitCode: 0,
        stderr: "",
      });
    const left = [...new Glob("**/*").scanSync({ cwd: machine.home, dot: true })];
    expect(left).toEqual([]);
  }
}, 60_000);

test("a failed upgrade leaves the product and its daemon as they are", async () => {
  using host = createHost();
  await using machine = await createMachine();
  host.publishFile("0.1.0", asset, readFileSync(executable));
  await installInto(machine.home, host.fileUrl);
  const program = join(machine.home, ".local", "bin", "keyhole");
  await machine.keyhole("daemon start", { program });
  const [pid, { ino }] = [machine.daemonPid(), statSync(program)];
  host.publishFile("0.1.1", asset, fakeExecutable("0.1.1", asset));
  host.spoil(`${asset}.gz`, Bun.gzipSync(fakeExecutable("6.6.6", "evil")));
  const { stderr, exitCode } = await installInto(machine.home, host.serve());
  expect(stderr).toContain("has the wrong SHA-256");
  expect(exitCode).toBe(1);
  expect(statSync(program).ino).toBe(ino);
  expect(machine.daemonPid()).toBe(pid);
}, 60_000);

test.skipIf(Bun.which("script") === null)(
  "a terminal sees progress (needs script of bsdutils)",
  async () => {
    using host = createHost();
    host.publishFile("0.1.0", asset, readFileSync(executable));
    const { words, env, cwd } = host.command({ machine: undefined, env: { KEYHOLE_BASE_URL: host.serve() } });
    const typescript = [whereIs("script"), "-qec", words.join(" "), "/dev/null"];
    const { stdout, exitCode } = await run(typescript, { env: { ...env, SHELL: "/bin/sh", TERM: "dumb" }, cwd });
    expect(stdout).toContain("100.0%");
    expect(exitCode).toBe(0);
  },
  60_000,
);
