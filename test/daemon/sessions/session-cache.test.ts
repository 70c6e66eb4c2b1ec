import { expect, test } from "bun:test";
import { SessionCache } from "../../../src/daemon/sessions/session-cache.ts";
import { Session } from "../../../src/daemon/sessions/session.ts";
import { roleConfig } from "../fakes/configs.ts";

/** Enters a session and takes it out again; nothing here holds it any more. */
function visit(cache: SessionCache, name: string): WeakRef<Session> {
  const stored = { name, config: roleConfig(name), revision: "1" };
  const of = { stored, environment: {}, provenEnvironment: undefined, givenUp: undefined, lacksWay: false };
  const session = new Session(of, { wall: 0, monotonic: 0 });
  cache.enter(session);
  cache.forget(name);
  return new WeakRef(session);
}

test("a session that was taken out leaves the memory, with its credentials", async () => {
  const cache = new SessionCache(2);
  const session = visit(cache, "a");
  for (let times = 0; times < 100 && session.deref() !== undefined; times++) {
    await new Promise(setImmediate);
    Bun.gc(true);
  }
  expect(session.deref()).toBeUndefined();
  expect(cache.size).toBe(0);
});
