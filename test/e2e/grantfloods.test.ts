// One grant's holder against everybody else: floods, slow writers, deaf readers, a hanging STS.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeFrame } from "../../src/wire/frame.ts";
import { messages } from "../../src/wire/messages.ts";
import { dial, type Peer } from "./attacker.ts";
import { shell, startForeground } from "./daemons.ts";
import { createMachine, isAlive, type Machine, until } from "./machine.ts";

const fetchFrame = encodeFrame(messages.Fetch.number, new Uint8Array(0));

async function addGrant(machine: Machine, name: string, ...options: readonly string[]): Promise<string> {
  const words = `grant add ${name} --config ${name} --no-executable --rate 100000/s`;
  return (await machine.keyhole([words, ...options].join(" "))).trim();
}

/** Milliseconds of one request on a connection of its own; fails without credentials. */
async function timeFetch(directory: string): Promise<number> {
  const began = performance.now();
  const peer = await dial(join(directory, "sock"));
  await peer.write(fetchFrame);
  await until(() => peer.frames.length > 0 || peer.isClosed);
  expect(peer.frames[0]?.message).toBe(messages.Fetch.number);
  peer.close();
  return performance.now() - began;
}

/** The median of 200 requests: a machine that others use delays a few of them. The gate's siege has the p99. */
async function timeFetches(directory: string): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index < 200; index++) times.push(await timeFetch(directory));
  return times.toSorted((a, b) => a - b)[100]!;
}

function residentMebibytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
}

test.each([1024, 64])(
  "with %i descriptors, floods of one grant and of the control socket lock nobody out",
  async (limit) => {
    await using machine = await createMachine({ configs: ["a", "b"] });
    const daemon = await startForeground(machine, { under: shell(`ulimit -n ${limit}`) });
    const [a, b] = [await addGrant(machine, "a"), await addGrant(machine, "b")];
    const peers: Peer[] = [];
    for (let count = 0; count < 300; count++) {
      for (const path of [join(a, "sock"), machine.paths.socket]) {
        const peer = await dial(path);
        await peer.write(new Uint8Array([0]));
        peers.push(peer);
      }
      if (count % 30 === 0) await timeFetch(b);
    }
    await timeFetch(b);
    await timeFetch(a);
    expect(await machine.keyhole("grant list --json")).toContain('"active"');
    expect(isAlive(daemon.pid)).toBe(true);
    for (const peer of peers) peer.close();
  },
);

test("while one holder does its worst, another grant is answered within 50 ms and the daemon stays small", async () => {
  await using machine = await createMachine({ configs: ["a", "b"] });
  const daemon = await startForeground(machine, { under: shell("ulimit -n 1024") });
  const [a, b] = [await addGrant(machine, "a"), await addGrant(machine, "b")];
  await timeFetch(b);
  const script = Bun.fileURLToPath(import.meta.resolve("./flood.ts"));
  await using flood = Bun.spawn([process.execPath, script, join(a, "sock")], { stdout: "pipe", stderr: "inherit" });
  await flood.stdout.getReader().read();
  expect(await timeFetches(b)).toBeLessThan(50);
  expect(flood.exitCode).toBeNull();
  flood.kill("SIGKILL");
  await flood.exited;
  expect(residentMebibytes(daemon.pid)).toBeLessThan(96);
  expect(isAlive(daemon.pid)).toBe(true);
  await timeFetch(a);
}, 60_000);
