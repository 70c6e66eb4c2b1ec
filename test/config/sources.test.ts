import { expect, test } from "bun:test";
import type { Config } from "../../src/config/config.ts";
import { readSources } from "../../src/config/sources.ts";
import { KeyholeError } from "../../src/errors.ts";
import { thrownBy } from "../thrown.ts";

const role = (Source: string | undefined, DurationSeconds?: number): Config => ({
  AssumeRole: { RoleArn: "arn:aws:iam::111122223333:role/r", DurationSeconds },
  Source,
});

const reading = (configs: Readonly<Record<string, Config>>) => (name: string) => {
  const config = configs[name];
  if (config === undefined) throw new KeyholeError("no-such-config", `config ${name} not found`);
  return { name, config, revision: name };
};

test("sources are followed to the last, however many there are", () => {
  const names = Array.from({ length: 200 }, (_, index) => `c${index}`);
  const configs = Object.fromEntries(names.map((name, index) => [name, role(names[index + 1])]));
  const found = readSources("top", role("c0"), reading(configs));
  expect(found.map(({ name }) => name)).toEqual(names);
  expect(readSources("top", role(undefined), reading(configs))).toEqual([]);
});

test.each([
  ["itself", role("top"), {}, "top -> top"],
  ["one that names it", role("a"), { a: role("top") }, "top -> a -> top"],
  ["one whose own sources form a loop", role("a"), { a: role("b"), b: role("a") }, "a -> b -> a"],
] as const)("a config whose Source is %s is refused", (_, config, others, loop) => {
  expect(thrownBy(() => readSources("top", config, reading(others)))).toMatchObject({
    kind: "credential-loop",
    message: `the sources of configs form a loop: ${loop}`,
  });
});

test("a Source that is no config is its config's fault, and not taken for a config that is gone", () => {
  const error = thrownBy(() => readSources("top", role("a"), reading({ a: role("b") })));
  expect(error).toMatchObject({ kind: "invalid-config", message: "the Source of config a is b, which is no config" });
});

test("a role on top of a role asks for an hour at most", () => {
  const over = thrownBy(() => readSources("top", role("a", 3_601), reading({ a: role(undefined) })));
  expect(over).toMatchObject({ kind: "invalid-config", message: expect.stringContaining("must be at most 3600") });
  expect(readSources("top", role("a", 3_600), reading({ a: role(undefined) }))).toHaveLength(1);
  // A user's own session is no role's.
  expect(readSources("top", role("a", 43_200), reading({ a: { GetSessionToken: {} } }))).toHaveLength(1);
});
