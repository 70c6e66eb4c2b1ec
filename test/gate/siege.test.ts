// Everything at once against one grant, from inside its sandbox, while another sandbox works (issue "grants": 2,000 idle
// connections, 400 MiB, a byte a second, a client that never reads, STS hanging; 1,024 descriptors).
import { expect } from "bun:test";
import { openDescriptors, peakMemory } from "../e2e/attacker.ts";
import { keysOf, runIn } from "../e2e/granthost.ts";
import { roleArn, until } from "../e2e/machine.ts";
import { attack, holderRigs, percentile, startAttack } from "./holder.ts";
import { testWith } from "./rigs/rigs.ts";
import { createTenants } from "./tenants.ts";

const test = testWith(holderRigs);

/** Milliseconds, and MiB: the bounds of the issue. */
const LATE = 50;
const MOST_MEMORY = 96;
/** Of 500 requests each: some seconds, in which garbage piles up. */
const ROUNDS = 8;

test("under siege another grant's p99 stays under 50 ms, the daemon below 96 MiB, and nothing is left of it", async () => {
  await using tenants = await createTenants();
  const { machine, daemon, a, b } = tenants;
  await attack(a, "time_fetches", { count: 20 });
  await attack(b, "time_fetches", { count: 20 });
  const descriptors = openDescriptors(daemon.pid);
  machine.sts.faults.add({ action: "AssumeRole", roleArn: roleArn("dev"), hang: true });
  await machine.keyhole("config update -n dev --set AssumeRole.DurationSeconds=1800");

  await using siege = await startAttack(a, "besiege", { idle: 2000 });
  await machine.sts.until(() => machine.sts.count("AssumeRole", { roleArn: roleArn("dev"), outcome: "pending" }) > 0);
  const rounds: number[] = [];
  while (rounds.length < ROUNDS)
    rounds.push(percentile(await attack<number[]>(b, "time_fetches", { count: 500 }), 0.99));
  console.log(`p99 of the other grant under siege: ${rounds.map((each) => each.toFixed(1)).join(", ")} ms`);
  // A machine that others use is slow now and then; a daemon that is, is slow in most rounds.
  expect(percentile(rounds, 0.5)).toBeLessThan(LATE);
  keysOf(machine, await runIn(b, machine));
  const status = JSON.parse(await machine.keyhole("daemon status --json")) as { connections: number };
  expect(status.connections).toBe(1);

  const counts = (await siege.end()) as Record<string, number>;
  console.log(`peak memory ${peakMemory(daemon.pid).toFixed(1)} MiB; ${JSON.stringify(counts)}`);
  expect(counts["idle"]).toBe(2000);
  for (const kind of ["huge", "slow", "deaf", "waiting"]) expect(counts[kind]).toBeGreaterThan(0);
  expect(peakMemory(daemon.pid)).toBeLessThan(MOST_MEMORY);
  machine.sts.faults.clear();
  await until(() => openDescriptors(daemon.pid) <= descriptors);
  keysOf(machine, await runIn(a, machine));
  expect(daemon.exitCode).toBeNull();
});
