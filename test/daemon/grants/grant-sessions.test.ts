import { expect, test } from "bun:test";
import { createGrantConfigs, type Definition, nameConfigs } from "../../../src/daemon/grants/grant-sessions.ts";
import type { Grant } from "../../../src/grants/grant.ts";
import { LEAST } from "../../grants/fakes/grants.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FakeConfigs, roleConfig } from "../fakes/configs.ts";
import { clocksAt } from "../fakes/grants.ts";
import { FakeSource } from "../fakes/source.ts";

const untold = { surroundings: undefined, asksSurroundings: false, isForAll: false, bound: undefined };

const grant: Grant = {
  ...LEAST,
  name: "agent",
  sessionName: "keyhole-agent-01234567",
  durationSeconds: 900,
  endsAt: 4_000_000,
};

function setUp() {
  const configs = new FakeConfigs();
  configs.write("dev", roleConfig("dev", 3600));
  const definitions = new Map<string, Definition>([["agent", { grant, version: 0, endsBy: Infinity }]]);
  const clocks = { ...clocksAt(1_000_000) };
  const reader = createGrantConfigs(
    configs,
    (name) => definitions.get(name),
    () => clocks,
  );
  return { configs, definitions, clocks, reader };
}

test("a grant reads as its config, narrowed, under its own name and up to its own end", () => {
  const { reader } = setUp();
  const { name, config, until } = reader.read("agent");
  expect([name, until]).toEqual(["agent", 4_000_000]);
  expect(config.AssumeRole).toMatchObject({
    RoleArn: "arn:aws:iam::111122223333:role/dev",
    RoleSessionName: "keyhole-agent-01234567",
    DurationSeconds: 900,
  });
});

test("its revision is that of what it read, and changes with the config's file and with the definition", () => {
  const { configs, definitions, reader } = setUp();
  const revisions = [reader.revision("agent")];
  expect(reader.read("agent").revision).toBe(revisions[0]!);
  configs.write("dev", roleConfig("dev", 3600));
  revisions.push(reader.revision("agent"));
  definitions.set("agent", { grant, version: 1, endsBy: Infinity });
  revisions.push(reader.revision("agent"));
  expect(new Set(revisions).size).toBe(3);
});

test("its end is that of the clock which ends it first", () => {
  const { definitions, clocks, reader } = setUp();
  const before = reader.revision("agent");
  Object.assign(clocks, { local: 1_001_000 });
  expect([reader.read("agent").until, reader.revision("agent")]).toEqual([4_000_000, before]);
  Object.assign(clocks, { local: 1_500_000 });
  expect(reader.read("agent").until).toBe(3_500_000);
  expect(reader.revision("agent")).not.toBe(before);
  definitions.set("agent", { grant, version: 0, endsBy: 2_000_000 });
  expect(reader.read("agent").until).toBe(3_000_000);
});

test("a config that is gone has no revision, and is named in the error; a grant that is none has none either", () => {
  const { configs, reader } = setUp();
  configs.delete("dev");
  expect(reader.revision("agent")).toBeUndefined();
  expect(() => reader.read("agent")).toThrow(expect.objectContaining({ kind: "no-such-config" }));
  expect(reader.revision("other")).toBeUndefined();
  expect(() => reader.read("other")).toThrow(expect.objectContaining({ kind: "no-such-grant" }));
});

test("the source is told the config's name: what it says is about the config, and loops are loops of configs", async () => {
  const { definitions, reader } = setUp();
  const fake = new FakeSource(new FakeClock());
  const source = nameConfigs(fake, (name) => definitions.get(name));
  const { config } = reader.read("agent");
  const { signal } = new AbortController();
  await source.assume({ name: "agent", config, environment: {}, signal, ...untold, turn: (_, call) => call() });
  expect(fake.calls[0]!.name).toBe("dev");
});

test("a clock that is doubtful does not tell the time of grants", async () => {
  const { definitions, reader } = setUp();
  const fake = new FakeSource(new FakeClock());
  const source = nameConfigs(fake, (name) => definitions.get(name));
  const { signal } = new AbortController();
  const request = { name: "agent", config: reader.read("agent").config, environment: {}, signal };
  for (const [clock, believed] of [
    ["aws", "aws"],
    ["doubtful", "foreign"],
    ["foreign", "foreign"],
  ] as const) {
    fake.clock = clock;
    expect((await source.assume({ ...request, ...untold, turn: (_, call) => call() })).clock).toBe(believed);
  }
});
