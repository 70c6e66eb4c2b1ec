import { expect, test } from "bun:test";
import {
  type Arch,
  defaultExecutable,
  type Executable,
  executableProblem,
  type Grant,
  type GrantMachine,
  type GrantState,
  stateOf,
} from "../../src/grants/grant.ts";
import { LEAST } from "./fakes/grants.ts";

const END = 1_000_000;

test.each<[string, Partial<Grant>, number, GrantState]>([
  ["without an end", { uses: 9 }, Number.MAX_SAFE_INTEGER, "active"],
  ["a millisecond before its end", { uses: 0, endsAt: END }, END - 1, "active"],
  ["at its end", { uses: 0, endsAt: END }, END, "expired"],
  ["with a use left", { uses: 4, maxUses: 5 }, 0, "active"],
  ["without one", { uses: 5, maxUses: 5 }, 0, "used-up"],
  ["with more uses than allowed", { uses: 6, maxUses: 5 }, 0, "used-up"],
  ["used up and at its end", { uses: 5, maxUses: 5, endsAt: END }, END, "expired"],
  ["revoked, whatever else", { uses: 5, maxUses: 5, endsAt: END, revokedAt: END * 2 }, END, "revoked"],
])("a grant %s", (_, grant, now, state) => {
  expect(stateOf({ ...LEAST, ...grant }, now)).toBe(state);
});

const MAC: GrantMachine = { platform: "darwin", cpu: "arm64" };
const PC: GrantMachine = { platform: "linux", cpu: "x64" };

test.each<[Executable, Arch | undefined, string, GrantMachine, string | undefined]>([
  ["small", undefined, "/run/keyhole", PC, undefined],
  ["small", "arm64", "/run/keyhole", PC, undefined],
  ["small", "amd64", "/run/keyhole", MAC, undefined],
  ["small", undefined, "host", PC, undefined],
  ["small", undefined, "host", MAC, "is for Linux"],
  ["full", undefined, "host", MAC, undefined],
  ["full", "amd64", "/run/keyhole", PC, undefined],
  ["full", "arm64", "/run/keyhole", PC, "not one for arm64"],
  ["none", undefined, "host", MAC, undefined],
  ["big" as "full", undefined, "host", PC, "small, full, none"],
  ["small", "vax" as "amd64", "host", PC, "amd64 or arm64"],
])("%s for %p at %s", (executable, arch, mountAt, machine, problem) => {
  const found = executableProblem({ executable, arch, mountAt }, machine);
  if (problem === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(problem);
});

test("a grant has the small executable, where that runs", () => {
  expect([defaultExecutable("host", PC), defaultExecutable("/run/keyhole", MAC)]).toEqual(["small", "small"]);
  expect(defaultExecutable("host", MAC)).toBe("full");
});
