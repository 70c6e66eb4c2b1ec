// Calls that hang at an endpoint, and what somebody else asks of it meanwhile.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { configText, createMachine, roleArn, until } from "./machine.ts";

/** Eight times as many as the bound of calls at once. */
const HANGING = Array.from({ length: 64 }, (_, index) => `hangs${index}`);

test("64 roles that hang at an STS do not hold up another role there", async () => {
  await using machine = await createMachine();
  for (const name of [...HANGING, "cold"]) {
    await Bun.write(join(machine.paths.configs, `${name}.yaml`), configText(machine, name));
  }
  await machine.keyhole("daemon start");
  for (const name of HANGING) machine.sts.faults.add({ roleArn: roleArn(name), hang: true });
  const clients = HANGING.map((name) => machine.spawn(["export", "-f", "credential-process", "-n", name]));
  // Under way at once: 3.2 s after they were asked for.
  await until(() => machine.sts.count() >= HANGING.length);
  const began = performance.now();
  await machine.keyhole("export -f credential-process -n cold");
  expect(performance.now() - began).toBeLessThan(10_000);
  for (const client of clients) client.kill();
  await Promise.all(clients.map(({ exited }) => exited));
});
