// What another process of the same user gets of a daemon and its children, from before their first instruction on: a
// descriptor of /proc/PID/mem that was opened in time stays good, whatever the process does later.
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { childrenOf, until } from "../processes.ts";
import { asOrdinaryUser } from "../users.ts";
import {
  asOrdinary,
  canBeOthers,
  giveHomeToOrdinary,
  isRoot,
  NOBODY,
  publicExecutable,
  shell,
  startForeground,
} from "./daemons.ts";
import { createMachine, executable, type Machine } from "./machine.ts";

/** Root may look everywhere, so that it must become somebody else for this. */
const canBeOrdinary = process.platform === "linux" && (canBeOthers || !isRoot);

let program: ReturnType<typeof publicExecutable>;
beforeAll(() => {
  program = publicExecutable();
});
afterAll(() => program.remove());

const ordinary = () => ({ program: program.path, under: asOrdinary });

/** What another process of that user can open of one. */
function opened(pid: number): Promise<string[]> {
  return asOrdinaryUser([], () =>
    ["mem", "maps", "environ"].filter((name) => {
      try {
        fs.closeSync(fs.openSync(`/proc/${pid}/${name}`, "r"));
        return true;
      } catch {
        return false;
      }
    }),
  );
}

/** Where its code begins, which is where it is mapped: `e_entry` of elf(5). */
const ENTRY = fs.readFileSync(executable).readBigUInt64LE(24);

interface Hold {
  readonly pid: number;
  readonly name: string;
  readonly descriptor: number;
}

const pids = () => fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name));

/** Opens what it can of every process that begins while `action` goes on, again and again. */
async function watch(action: () => Promise<void>): Promise<Hold[]> {
  const old = new Set(pids());
  const holds = new Map<string, Hold>();
  const look = () => {
    for (const pid of pids()) {
      if (old.has(pid)) continue;
      for (const name of ["mem", "maps", "environ"]) {
        const path = `/proc/${pid}/${name}`;
        try {
          const hold = { pid: Number(pid), name, descriptor: fs.openSync(path, "r") };
          // The last one that there was to read is the one of its last program.
          const stale = leaks(hold) ? holds.get(path) : hold;
          if (stale !== undefined) fs.closeSync(stale.descriptor);
          if (stale !== hold) holds.set(path, hold);
        } catch {}
      }
    }
  };
  const over = new AbortController();
  const acting = action().finally(() => over.abort());
  while (!over.signal.aborted) {
    await asOrdinaryUser([], () => {
      for (const end = performance.now() + 5; performance.now() < end;) look();
    });
    await new Promise((resolve) => void setImmediate(resolve));
  }
  await acting;
  return [...holds.values()];
}

/** Whether there is anything to be read of a process that lives. */
function leaks({ name, descriptor }: Hold): boolean {
  try {
    return fs.readSync(descriptor, Buffer.alloc(1), 0, 1, name === "mem" ? ENTRY : 0n) > 0;
  } catch {
    return false;
  }
}

/** A machine whose source is a program that takes its time; `action` is done as an ordinary user. */
async function onOrdinaryMachine(action: (machine: Machine) => Promise<void>): Promise<void> {
  await using machine = await createMachine();
  const { accessKeyId, secretAccessKey } = machine.sts.root;
  const answer = JSON.stringify({ Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey });
  const files = [".aws", ".aws/config"].map((name) => join(machine.home, name));
  fs.mkdirSync(files[0]!);
  fs.writeFileSync(
    files[1]!,
    `[default]\ncredential_process = sh -c "sleep 0.3; echo '${answer.replaceAll('"', '\\"')}'"\n`,
  );
  delete machine.environment["AWS_ACCESS_KEY_ID"];
  delete machine.environment["AWS_SECRET_ACCESS_KEY"];
  giveHomeToOrdinary(machine);
  if (canBeOthers) for (const file of files) fs.chownSync(file, NOBODY, NOBODY);
  await machine.keyhole(machine.adding("dev").join(" "), ordinary());
  await action(machine);
}

const ROLES = ["--sts-worker", "--resolve-source"];

/** Who the children of a daemon were while they were there, and what. */
async function vend(machine: Machine, daemon: number): Promise<Map<number, string>> {
  const children = new Map<number, string>();
  const vended = machine.keyhole("export -n dev", ordinary());
  let isOver = false;
  void vended.finally(() => {
    isOver = true;
  });
  await until(() => {
    for (const word of ROLES) for (const pid of childrenOf(daemon, word)) children.set(pid, word);
    return isOver;
  });
  await vended;
  return children;
}

test.skipIf(!canBeOrdinary).each([
  ["launched", "daemon start"],
  ["in the foreground", undefined],
])("a daemon %s, its worker and its resolver show nothing at any moment", async (_, start) => {
  await onOrdinaryMachine(async (machine) => {
    let children = new Map<number, string>();
    const holds = await watch(async () => {
      if (start === undefined) await startForeground(machine, ordinary());
      else await machine.keyhole(start, ordinary());
      children = await vend(machine, machine.daemonPid()!);
    });
    const daemon = machine.daemonPid()!;
    expect(new Set(children.values())).toEqual(new Set(ROLES));
    for (const pid of [daemon, ...children.keys()]) {
      // The resolver may have ended.
      if (fs.existsSync(`/proc/${pid}`)) expect(fs.readFileSync(`/proc/${pid}/comm`, "utf8")).toBe("keyhole\n");
    }
    expect(holds.filter(({ pid }) => children.has(pid))).toEqual([]);
    expect(holds.filter((hold) => hold.pid === daemon && leaks(hold))).toEqual([]);
    expect(await machine.keyhole("daemon status", ordinary())).not.toContain("open to other processes");
    // Worth nothing unless somebody who is there in time would have got it.
    expect(holds.map(({ name }) => name)).toContain("mem");
    for (const { descriptor } of holds) fs.closeSync(descriptor);
  });
});

test.skipIf(!canBeOrdinary)(
  "where there can be no copy it serves as well, is closed as soon as it can be, and says so",
  async () => {
    await onOrdinaryMachine(async (machine) => {
      fs.writeFileSync(join(machine.paths.home, "bin"), "");
      let children = new Map<number, string>();
      const holds = await watch(async () => {
        await machine.keyhole("daemon start", ordinary());
        children = await vend(machine, machine.daemonPid()!);
      });
      const daemon = machine.daemonPid()!;
      expect(holds.some((hold) => hold.pid === daemon && hold.name === "mem" && leaks(hold))).toBe(true);
      for (const { descriptor } of holds) fs.closeSync(descriptor);
      expect(await machine.keyhole("daemon status", ordinary())).toContain(
        `\nthis daemon began open to other processes of this user: ${machine.paths.home}/bin is a link or a file, not a directory\n`,
      );
      expect((await machine.run(["doctor"], ordinary())).stdout).toContain("began open to other processes");
      // What is left is the second line: each closes itself.
      expect(await opened(daemon)).toEqual([]);
      expect(new Set(children.values())).toEqual(new Set(ROLES));
    });
  },
);

test.skipIf(!canBeOrdinary).each(ROLES)("%s closes itself, too, and leaves no core", async (role) => {
  await onOrdinaryMachine(async (machine) => {
    const { version, commit } = JSON.parse(await machine.keyhole("--version --json", ordinary())) as {
      version: string;
      commit: string;
    };
    // As a daemon starts it, with a stdin that says nothing yet.
    const limited = [...asOrdinary, ...shell("ulimit -c unlimited"), program.path];
    const child = Bun.spawn([...limited, role, `${version}+${commit}`], {
      env: machine.environment,
      cwd: "/",
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      const limits = () => fs.readFileSync(`/proc/${child.pid}/limits`, "latin1");
      const isHardened = async () => / core file size +0 +0 /.test(limits()) && (await opened(child.pid)).length === 0;
      const began = performance.now();
      await until(async () => (await isHardened()) || performance.now() - began > 5_000);
      expect(await isHardened()).toBe(true);
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  });
});

/** Of a system that lets its users make user namespaces. */
const hasNamespaces = (under: readonly string[]) => Bun.spawnSync([...under, "unshare", "-r", "true"]).exitCode === 0;

test.skipIf(!canBeOthers)("root of a user namespace lists no grants of a user who is in a second group", async () => {
  const SECOND = 54_321;
  const under = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, `--groups=${SECOND}`];
  await onOrdinaryMachine(async (machine) => {
    await machine.keyhole("grant add agent-a --config dev --no-executable", { program: program.path, under });
    const grantMounts = join(machine.paths.home, "g");
    expect(fs.statSync(grantMounts)).toMatchObject({ uid: NOBODY, gid: SECOND });
    expect(fs.statSync(grantMounts).mode & 0o7777).toBe(0o311);
    if (!hasNamespaces(under)) return;
    expect(Bun.spawnSync([...under, "unshare", "-r", "ls", grantMounts]).stdout.toString()).toBe("");
    await machine.keyhole("daemon restart", { program: program.path, under });
    expect(await machine.keyhole("grant show agent-a", { program: program.path, under })).toContain(grantMounts);
  });
});
