import { expect, test } from "bun:test";
import { createGrantConfigs, type Definition, nameConfigs } from "../../../src/daemon/grants/configs.ts";
import type { Grant } from "../../../src/grants/grant.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FakeConfigs, roleConfig } from "../fakes/configs.ts";
import { FakeSource } from "../fakes/source.ts";

const grant = {
  name: "agent",
  config: "dev",
  policyArns: [],
  tags: [],
  deliver: "socket",
  sessionName: "keyhole-agent-01234567",
  durationSeconds: 900,
  endsAt: 4_000,
} as unknown as Grant;

function setUp() {
  const configs = new FakeConfigs();
  configs.write("dev", roleConfig("dev", 3600));
  const definitions = new Map<string, Definition>([["agent", { grant, version: 0 }]]);
  return { configs, definitions, reader: createGrantConfigs(configs, (name) => definitions.get(name)) };
}

test("a grant reads as its config, narrowed, under its own name and up to its own end", () => {
  const { reader } = setUp();
  const { name, config, until } = reader.read("agent");
  expect([name, until]).toEqual(["agent", 4_000]);
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
  definitions.set("agent", { grant, version: 1 });
  revisions.push(reader.revision("agent"));
  expect(new Set(revisions).size).toBe(3);
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
  await source.assume({ name: "agent", config, environment: {}, signal, turn: (_, call) => call() });
  expect(fake.calls[0]!.name).toBe("dev");
});
