import { expect, test } from "bun:test";
import { chooseVictim, type Evictable } from "../../src/server/listener.ts";

const UIDS = { mine: 1000, other: 1001 };

/** `mine/7*` is a busy connection of my process 7; the first of a list was used least recently. */
function victimOf(text: string): string | undefined {
  const names = text.split(" ").filter(Boolean);
  const connectionOf = (name: string): Evictable => {
    const [user = "", process = ""] = name.split("/");
    const uid = UIDS[user as keyof typeof UIDS];
    const caller = { uid, gid: uid, pid: Number.parseInt(process, 10), connection: 1 };
    return { caller, isBusy: name.endsWith("*"), lastUse: names.indexOf(name) };
  };
  return chooseVictim(names, connectionOf);
}

test.each([
  ["nobody, where there is none", "", undefined],
  ["the one that has been idle longest", "mine/7* mine/07 mine/007", "mine/07"],
  ["the one used least recently where all are busy", "mine/7* mine/07*", "mine/7*"],
  ["one of the process that holds the most, however idle others are", "mine/8 mine/7* mine/07*", "mine/7*"],
  ["one of the user who holds the most, with however many processes", "other/9 mine/7* mine/8*", "mine/7*"],
])("gives up %s", (_, connections, victim) => {
  expect(victimOf(connections)).toBe(victim);
});
