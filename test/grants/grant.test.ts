import { expect, test } from "bun:test";
import { type Grant, type GrantState, stateOf } from "../../src/grants/grant.ts";
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
