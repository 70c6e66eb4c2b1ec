// What was done to elhaz, and some more, done to keyhole's control socket by a process that may open
// it. The daemon lives, answers its owner meanwhile, and keeps nothing of it.
import { expect, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { announce, dial, openDescriptors, type Peer, peakMemory, pour, randomNumbers, request } from "./attacker.ts";
import { isRoot, shell, startForeground } from "./daemons.ts";
import { configText, createMachine, isAlive, type Machine, roleArn, until } from "./machine.ts";
import { messages, PROTOCOL_VERSION } from "../../src/wire/messages.ts";

const MEBIBYTE = 1024 * 1024;
/** What a daemon may ever need, in MiB: 64 at rest with 64 sessions, and as much again for the attack at hand. */
const MOST_MEMORY = 128;

/** Exports again and again for as long as `attack` takes, and at least once. Every one of them must be answered. */
async function servedDuring(machine: Machine, name: string, attack: Promise<unknown>): Promise<number> {
  const watched = { isOver: false };
  const end = attack.finally(() => (watched.isOver = true));
  let served = 0;
  do {
    const { stdout, stderr, exitCode } = await machine.run(["export", "-f", "credential-process", "-n", name]);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(JSON.parse(stdout)).toHaveProperty("SecretAccessKey");
    served += 1;
  } while (!watched.isOver);
  await end;
  return served;
}

async function started(machine: Machine): Promise<number> {
  await machine.addConfig("dev");
  await machine.keyhole("daemon start");
  await machine.keyhole("daemon add -n dev");
  return machine.daemonPid()!;
}

const connectionsOf = async (machine: Machine) =>
  (JSON.parse(await machine.keyhole("daemon status --json")) as { connections: number }).connections;

test.each([1024, 64])("attack 4: 1,100 connections of one byte each, with %d descriptors", async (limit) => {
  await using machine = await createMachine({ configs: ["dev"] });
  const daemon = await startForeground(machine, { under: shell(`ulimit -n ${limit}`) });
  await machine.keyhole("daemon add -n dev");
  const before = isRoot ? openDescriptors(daemon.pid) : 0;
  const peers: Peer[] = [];

  const flood = async () => {
    while (peers.length < 1100) {
      const batch = await Promise.all(Array.from({ length: 20 }, () => dial(machine.paths.socket)));
      await Promise.all(batch.map((peer) => peer.write(Buffer.from("{"))));
      peers.push(...batch);
    }
  };
  await servedDuring(machine, "dev", flood());
  // All of them hold on to what they have.
  await servedDuring(machine, "dev", Promise.resolve());
  for (const peer of peers) peer.close();
  await until(async () => (await connectionsOf(machine)) === 1);
  if (isRoot) await until(() => openDescriptors(daemon.pid) <= before);
  expect(isAlive(daemon.pid)).toBe(true);
});

test("attack 5: 400 MiB without an end, and a frame of 4 GiB (E-142, A-038)", async () => {
  await using machine = await createMachine();
  const pid = await started(machine);
  const block = Buffer.alloc(MEBIBYTE, "A");
  const endless = async () => {
    const peer = await dial(machine.paths.socket);
    expect(await pour(peer, block, 400)).toBeLessThan(400);
    await peer.closed;
  };
  const huge = async () => {
    const peer = await dial(machine.paths.socket);
    await peer.write(announce(2 ** 32 - 1));
    await peer.closed;
    expect(peer.frames.map(({ message }) => message)).toEqual([0xff]);
  };
  await servedDuring(machine, "dev", Promise.all([endless(), huge()]));
  expect(peakMemory(pid)).toBeLessThan(MOST_MEMORY);
});

test("attack 5: 400 MiB of requests, each as large as one may be", async () => {
  await using machine = await createMachine();
  const pid = await started(machine);
  const longest = request("Vend", { config: "x".repeat(65_534) });
  const peer = await dial(machine.paths.socket);
  const rounds = Math.ceil((400 * MEBIBYTE) / longest.length);
  await servedDuring(machine, "dev", pour(peer, longest, rounds));
  await until(() => peer.frames.length === rounds);
  expect(peer.isClosed).toBe(false);
  expect(peakMemory(pid)).toBeLessThan(MOST_MEMORY);
  peer.close();
});

test("attack 5: 1,000 connections that each hold back the end of a large request", async () => {
  await using machine = await createMachine();
  const pid = await started(machine);
  const unfinished = request("Vend", { config: "x".repeat(65_534) }).subarray(0, -1);
  const peers = await Promise.all(Array.from({ length: 1000 }, () => dial(machine.paths.socket)));
  await Promise.all(peers.map((peer) => peer.write(unfinished)));
  await servedDuring(machine, "dev", Promise.resolve());
  // 64 MiB that arrived, and its copies.
  expect(peakMemory(pid)).toBeLessThan(MOST_MEMORY + 128);
  await Promise.all(peers.map(({ closed }) => closed));
});

test.concurrent("a writer of one byte a second is cut long before its request is whole", async () => {
  await using machine = await createMachine();
  await started(machine);
  const idle = await dial(machine.paths.socket);
  const slow = await dial(machine.paths.socket);
  const bytes = request("Vend", { config: "dev" });
  let written = 0;
  // The pace is the attack itself.
  while (!slow.isClosed && written < bytes.length) {
    await slow.write(bytes.subarray(written, ++written));
    await Promise.race([Bun.sleep(1000), slow.closed]);
  }
  expect(written).toBeLessThan(bytes.length);
  expect(slow.isClosed).toBe(true);
  expect(slow.frames).toEqual([]);
  // Who has begun nothing may take as long as it likes.
  await idle.write(bytes);
  await until(() => idle.frames.length === 1);
  expect(idle.frames[0]!.message).toBe(messages.Vend.number);
  idle.close();
});

test.concurrent("a client that asks 100,000 times and never reads is cut", async () => {
  await using machine = await createMachine();
  const pid = await started(machine);
  const peer = await dial(machine.paths.socket);
  peer.pause();
  const thousand = Buffer.concat(Array.from({ length: 1000 }, () => request("Vend", { config: "dev" })));
  expect(await pour(peer, thousand, 100)).toBeLessThan(100);
  await until(async () => (await connectionsOf(machine)) === 1);
  expect(peakMemory(pid)).toBeLessThan(MOST_MEMORY);
  expect(machine.log().filter(({ event }) => event === "connection too slow").length).toBe(1);
});

test("attack 6: a role whose STS call hangs delays no other role, no status and no stop", async () => {
  await using machine = await createMachine();
  await started(machine);
  for (const name of ["stuck", "fresh"]) await machine.addConfig(name);
  machine.sts.faults.add({ action: "AssumeRole", roleArn: roleArn("stuck"), hang: true });
  const alone = { env: { KEYHOLE_AUTOSTART: "0" } };
  const stuck = Array.from({ length: 12 }, () => machine.spawn(["export", "-n", "stuck"], alone));
  await machine.sts.until(() => machine.sts.count("AssumeRole", { roleArn: roleArn("stuck") }) === 1);

  await machine.keyhole("export -n dev");
  await machine.keyhole("export -n fresh");
  await machine.keyhole("whoami -n dev");
  expect(await machine.keyhole("daemon status")).toContain("dev");
  await machine.keyhole("daemon remove -n dev");
  const pending = machine.sts.count("AssumeRole", { roleArn: roleArn("stuck"), outcome: "pending" });
  expect(pending).toBe(1);
  expect(stuck.map(({ exitCode }) => exitCode)).toEqual(stuck.map(() => null));

  await machine.keyhole("daemon stop");
  expect(await Promise.all(stuck.map(({ exited }) => exited))).toEqual(stuck.map(() => 3));
});

/** Control characters but for the newline, and the marks that reorder text. */
const UNPRINTABLE = /(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;

const hostileNames = {
  newline: 'x\n{"time":"2026-01-01T00:00:00.000Z","level":"info","event":"forged"}',
  "ANSI sequence": "\x1b[2J\x1b[31mred",
  "OSC sequence": "\x1b]0;title\x07\x9d0;title\x9c",
  "bidirectional marks": "\u202egnp.exe\u2066\u061c",
  "NUL byte": "dev\0.yaml",
  "64 KiB": "\x1b".repeat(60_000),
  "way out of the directory": "../../x",
  "absolute path": "/etc/hostname",
  "property of every object": "__proto__",
};

test.each(Object.entries(hostileNames))("attack 7: a config name with a %s", async (_, name) => {
  await using machine = await createMachine();
  await started(machine);
  // What the way out would lead to is there, and is a config.
  writeFileSync(join(machine.home, "x.yaml"), `AssumeRole:\n  RoleArn: ${roleArn("outside")}\n`, { mode: 0o600 });
  const calls = machine.sts.count();

  const peer = await dial(machine.paths.socket);
  const asked = [
    request("Vend", { config: name }),
    request("Remove", { config: name }),
    request("Identity", { config: name }),
    request("Add", { config: name, environment: [], verify: true, renew: true }),
    request("Hello", { version: name }),
  ];
  for (const bytes of asked) await peer.write(bytes);
  await until(() => peer.frames.length === asked.length);
  expect(peer.frames.slice(0, 4).map(({ message }) => message)).toEqual([0xff, 0xff, 0xff, 0xff]);
  peer.close();

  const shown: string[] = [];
  if (!name.includes("\0")) {
    for (const words of [["export"], ["whoami"], ["daemon", "add"], ["daemon", "remove"], ["config", "get"]]) {
      const { stdout, stderr, exitCode } = await machine.run([...words, "-n", name]);
      expect([words, stdout, exitCode === 0]).toEqual([words, "", false]);
      shown.push(stderr);
    }
  }
  shown.push(await machine.keyhole("daemon logs -t 0"), await machine.keyhole("daemon logs -t 0 --json"));
  shown.push(await machine.keyhole("daemon status"), readFileSync(machine.paths.log, "utf8"));
  for (const text of shown) expect(UNPRINTABLE.exec(text)).toBeNull();
  expect(machine.log().filter(({ event }) => event === "forged")).toEqual([]);
  expect(machine.sts.count()).toBe(calls);
  expect(await machine.keyhole("daemon list")).toBe("dev\n");
});

test("attack 8: a flood of nonsense leaves no stack trace, and does not wash the evidence out of the log", async () => {
  await using machine = await createMachine();
  await started(machine);
  const nonsense = [Buffer.from('{"config": ["x"]}\n'), request("Vend", { config: "x".repeat(400) })];
  const attack = async () => {
    for (let round = 0; round < 200; round++) {
      const peers = await Promise.all(nonsense.map(() => dial(machine.paths.socket)));
      await Promise.all(peers.map((peer, index) => pour(peer, nonsense[index]!, index === 0 ? 1 : 100)));
      for (const peer of peers) peer.finish();
      await Promise.all(peers.map(({ closed }) => closed));
    }
  };
  await servedDuring(machine, "dev", attack());
  expect(existsSync(`${machine.paths.log}.1`)).toBe(false);
  expect(statSync(machine.paths.log).size).toBeLessThan(MEBIBYTE);
  const log = machine.log();
  expect(log.find(({ event }) => event === "session renewed")).toMatchObject({ config: "dev" });
  expect(log.filter((line) => "stack" in line)).toEqual([]);
});

test("sessions that come and go without end do not wash the evidence out of the log", async () => {
  await using machine = await createMachine({ configs: ["one"] });
  await machine.keyhole("daemon start");
  const peer = await dial(machine.paths.socket);
  const add = request("Add", { config: "one", environment: [], verify: false, renew: false });
  const pair = Buffer.concat([add, request("Remove", { config: "one" })]);
  for (let pairs = 1; pairs <= 500; pairs++) {
    await peer.write(pair);
    await until(() => peer.frames.length === 2 * pairs);
  }
  peer.close();
  const seconds = new Set(machine.log().map(({ time }) => String(time).slice(0, 19))).size;
  const removals = machine.log().filter(({ event }) => event === "session removed");
  expect(removals.length).toBeLessThanOrEqual(20 * (seconds + 1));
  await until(() => machine.log().some(({ event, of }) => event === "lines left out" && of === "session removed"));
});

test("attack 11: a second daemon after the socket was removed does not exist, and the first one stays", async () => {
  await using machine = await createMachine();
  const pid = await started(machine);
  rmSync(machine.paths.socket);
  // Nothing leads to it for a moment; the lock names it all the same, and it soon is back.
  const { stderr, exitCode } = await machine.run(["daemon", "start"]);
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`(pid ${pid})`)]);
  expect(machine.log().filter(({ event }) => event === "daemon started")).toHaveLength(1);
  expect(existsSync(machine.paths.socket)).toBe(true);

  rmSync(machine.paths.socket);
  await machine.keyhole("daemon kill");
  expect(isAlive(pid)).toBe(false);
  await machine.keyhole("daemon start");
});

test("attacks 12 and 13: with umask 0, socket, log, lock and config are their owner's alone (E-027, A-036)", async () => {
  await using machine = await createMachine();
  const under = shell("umask 0");
  const yaml = configText(machine, "dev");
  expect(await machine.run(["config", "add", "-n", "dev", "--from-file", "-"], { under, stdin: yaml })).toMatchObject({
    exitCode: 0,
  });
  await startForeground(machine, { under });
  await machine.run(["daemon", "add", "-n", "dev"], { under });
  const { paths } = machine;
  for (const file of [paths.socket, paths.log, paths.lock, join(paths.configs, "dev.yaml")]) {
    expect([file, lstatSync(file).mode & 0o777]).toEqual([file, 0o600]);
  }
  for (const directory of [paths.home, paths.configs, join(paths.home, "sock"), join(paths.home, "logs")]) {
    expect([directory, lstatSync(directory).mode & 0o777]).toEqual([directory, 0o700]);
  }
});

/** A frame that happens to say Stop would be obeyed. */
const isStop = (bytes: Uint8Array) => bytes[4] === PROTOCOL_VERSION && bytes[5] === messages.Stop.number;

test("10,000 random and mutated frames, while a client is served", async () => {
  await using machine = await createMachine();
  const pid = await started(machine);
  const random = randomNumbers(20_261_120);
  const below = (limit: number) => Math.floor(random() * limit);
  const originals = [
    request("Hello", { version: "0.1.0" }),
    request("Vend", { config: "nobody" }),
    request("Add", { config: "nobody", environment: [{ name: "A", value: "b" }], verify: true, renew: false }),
    request("Remove", { config: "nobody" }),
    request("Identity", { config: "nobody" }),
    request("List", {}),
    request("Status", {}),
  ];
  const mutated = () => {
    const bytes = Uint8Array.from(originals[below(originals.length)]!);
    for (let times = below(4); times >= 0; times--) bytes[below(bytes.length)] = below(256);
    return bytes.subarray(0, random() < 0.1 ? below(bytes.length) : bytes.length);
  };
  const noise = () => Uint8Array.from({ length: below(64) }, () => below(256));
  const next = (): Uint8Array => {
    const bytes = random() < 0.2 ? noise() : mutated();
    return isStop(bytes) ? next() : bytes;
  };
  let left = 10_000;
  const lane = async () => {
    while (left > 0) {
      const peer = await dial(machine.paths.socket);
      // Where one is cut off, the next ones are read as its rest.
      for (let count = 0; count < 5 && !peer.isClosed; count++, left--) await peer.write(next());
      peer.finish();
      await peer.closed;
      expect(peer.frames.every(({ version }) => version === PROTOCOL_VERSION)).toBe(true);
    }
  };
  const served = await servedDuring(machine, "dev", Promise.all(Array.from({ length: 8 }, lane)));
  expect(served).toBeGreaterThan(1);
  expect(isAlive(pid)).toBe(true);
  expect(machine.log().filter(({ level }) => level === "error")).toEqual([]);
  expect(machine.sts.count("AssumeRole")).toBe(1);
  expect(peakMemory(pid)).toBeLessThan(MOST_MEMORY);
});

test("a daemon ends on time while everything hangs", async () => {
  await using machine = await createMachine({ configs: ["dev"] });
  mkdirSync(join(machine.home, ".aws"), { mode: 0o700 });
  writeFileSync(join(machine.home, ".aws", "config"), "[profile stuck]\ncredential_process = /bin/sleep 1000\n");
  await machine.addConfig("process", "Session.profile_name=stuck");
  const daemon = await startForeground(machine);
  machine.sts.faults.add({ action: "AssumeRole", hang: true });
  const alone = { env: { KEYHOLE_AUTOSTART: "0" } };
  const clients = ["dev", "process"].map((name) => machine.spawn(["export", "-n", name], alone));
  const half = await dial(machine.paths.socket);
  await half.write(request("List", {}).subarray(0, 3));
  const deaf = await dial(machine.paths.socket);
  deaf.pause();
  const many = Buffer.concat(Array.from({ length: 50_000 }, () => request("Status", {})));
  void deaf.write(many);
  await machine.sts.until(() => machine.sts.count("AssumeRole") === 1);

  daemon.kill("SIGTERM");
  expect(await daemon.exited).toBe(0);
  expect(await Promise.all(clients.map(({ exited }) => exited))).toEqual([3, 3]);
  expect(existsSync(machine.paths.socket)).toBe(false);
});
