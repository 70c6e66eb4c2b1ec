// Names that a grant cannot have, and definitions that a daemon does not serve. The others are served all the same.
import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addGrant, createHost, keysOf, runIn } from "./granthost.ts";

test.each(["agent a", "$(id)", "a'b", 'a"b', "a\nb", "../a", "A", "-a", "a".repeat(33), ""])(
  "a grant cannot be called %j",
  async (name) => {
    await using machine = await createHost();
    const result = await machine.run(["grant", "add", "--config", "dev", "--", name]);
    expect(result).toMatchObject({ exitCode: 2, stdout: "" });
    expect(result.stderr).not.toMatch(/[^\n\x20-\x7e]/);
    expect(machine.sts.count()).toBe(0);
  },
);

/** Each level is nine times the one before. */
const bomb = [
  "b0: &b0 x",
  ...Array.from({ length: 9 }, (_, at) => `b${at + 1}: &b${at + 1} [${`*b${at},`.repeat(9)}]`),
];
const definitions = {
  "65,000 brackets": "[".repeat(65_000),
  "aliases of aliases": bomb.join("\n"),
  "more than 64 KiB": "a: b\n".repeat(20_000),
  "no UTF-8": "\xff\xfe",
};

test.each(Object.entries(definitions))(
  "a definition that is %s is served by nobody, and delays nobody",
  async (_, text) => {
    await using machine = await createHost();
    const directory = await addGrant(machine);
    await machine.keyhole("daemon stop");
    writeFileSync(join(machine.paths.home, "grants", "bomb.yaml"), Buffer.from(text, "latin1"), { mode: 0o600 });
    const began = performance.now();
    await machine.keyhole("daemon start");
    expect(performance.now() - began).toBeLessThan(10_000);
    keysOf(machine, await runIn(directory, machine));
    expect(machine.log().filter(({ event }) => event === "grant not served")).toMatchObject([{ grant: "bomb" }]);
    await machine.keyhole("grant remove -y bomb");
  },
);

test.each(["606", "662", "622"])(
  "a definition with mode %s, which others may have written, is served by nobody",
  async (mode) => {
    await using machine = await createHost();
    const directory = await addGrant(machine);
    await machine.keyhole("daemon stop");
    chmodSync(join(machine.paths.home, "grants", "agent-a.yaml"), Number.parseInt(mode, 8));
    await machine.keyhole("daemon start");
    expect(machine.log().filter(({ event }) => event === "grant not served")).toMatchObject([{ grant: "agent-a" }]);
    expect((await runIn(directory, machine)).exitCode).toBe(3);
  },
);
