import { beforeEach, describe, expect, test } from "bun:test";
import { Credentials } from "../../src/credentials.ts";
import { createSourceCache, type SourceCache, type SourceRequest } from "../../src/sources/source-cache.ts";
import type { Chain } from "../../src/sources/resolve/chain.ts";
import { FakeClock, settle } from "../daemon/fakes/clock.ts";
import { rejectionOf } from "../thrown.ts";

interface Flight {
  readonly request: SourceRequest;
  land(expiresAt?: number): void;
  fail(error: Error): void;
  leave(ended: Promise<unknown>): void;
}

const WAY = {
  variableRegion: undefined,
  profileRegion: undefined,
  endpoint: undefined,
  isOfFile: false,
  useFips: false,
  useDualstack: false,
  useGlobal: false,
  ca: undefined,
  extraCa: undefined,
  proxies: { https: undefined, http: undefined, no: "" },
};

let clock: FakeClock;
let flights: Flight[];
let cache: SourceCache;

beforeEach(() => {
  clock = new FakeClock();
  flights = [];
  cache = createSourceCache(clock, (request, onLeft) => {
    const { promise, resolve, reject } = Promise.withResolvers<Chain>();
    const accessKeyId = `AKIA${flights.length}`;
    const land = (expiresAt?: number) =>
      resolve({
        files: { paths: ["/h/.aws/config"], stamp: "1", digest: "a" },
        way: WAY,
        token: undefined,
        source: {
          credentials: new Credentials({ accessKeyId, secretAccessKey: "s", expiresAt }),
          description: "profile p",
          chained: false,
          renewal: undefined,
          rest: [],
          notes: [],
        },
      });
    flights.push({ request, land, fail: reject, leave: onLeft });
    return promise;
  });
});

function ask(change: Partial<SourceRequest> = {}): SourceRequest {
  const { signal } = new AbortController();
  return {
    name: "c",
    profile: "p",
    wants: "source",
    verify: undefined,
    environment: { HOME: "/h" },
    surroundings: undefined,
    asksSurroundings: false,
    timeout: 60_000,
    webIdentity: undefined,
    signal,
    ...change,
  };
}

describe("a flight", () => {
  test("serves a thousand configs of one profile", async () => {
    const asking = Array.from({ length: 1_000 }, (_, index) => cache.get(ask({ name: `c${index}` })));
    flights[0]!.land();
    const keys = new Set((await Promise.all(asking)).map(({ source }) => source!.credentials.accessKeyId));
    expect([...keys]).toEqual(["AKIA0"]);
    expect(flights).toHaveLength(1);
  });

  test.each([
    { title: "profile", change: { profile: "q" } },
    { title: "variable", change: { environment: { HOME: "/h", AWS_REGION: "r" } } },
    { title: "purpose", change: { wants: "way" } },
    { title: "CA bundle", change: { verify: "/ca.pem" } },
    { title: "chain", change: { environment: { HOME: "/h", KEYHOLE_CHAIN: "a@/s" } } },
  ])("is another for another $title", ({ change }) => {
    void cache.get(ask());
    void cache.get(ask(change));
    expect(flights).toHaveLength(2);
  });

  test("is the same whatever the order of the variables", () => {
    void cache.get(ask({ environment: { A: "1", B: "2" } }));
    void cache.get(ask({ environment: { B: "2", A: "1" } }));
    expect(flights).toHaveLength(1);
  });

  test("that fails is told to everybody and kept for nobody", async () => {
    const asking = [cache.get(ask()), cache.get(ask())];
    flights[0]!.fail(new Error("no"));
    const outcomes = await Promise.allSettled(asking);
    expect(outcomes).toEqual([1, 2].map(() => ({ status: "rejected", reason: new Error("no") })));
    void cache.get(ask());
    expect(flights).toHaveLength(2);
  });

  test("whose child is still there counts for the next who ask, unless it ends a moment later", async () => {
    for (const isStuck of [true, false]) {
      const end = Promise.withResolvers<void>();
      const failed = rejectionOf(cache.get(ask()), Error);
      flights.at(-1)!.leave(end.promise);
      flights.at(-1)!.fail(new Error("gone"));
      await failed;
      const count = flights.length;
      const next = cache.get(ask());
      next.catch(() => {});
      await clock.advance(400);
      expect(flights).toHaveLength(count);
      if (isStuck) await clock.advance(200);
      else end.resolve();
      await settle();
      expect(flights).toHaveLength(isStuck ? count : count + 1);
      if (isStuck) expect((await rejectionOf(next, Error)).message).toBe("gone");
      else flights.at(-1)!.land();
      end.resolve();
      await settle();
    }
  });

  test("goes on while anybody waits, and is ended by the last who leaves", async () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const asking = [first, second].map(({ signal }) => rejectionOf(cache.get(ask({ signal }))));
    first.abort();
    await asking[0];
    expect(flights[0]!.request.signal.aborted).toBeFalse();
    second.abort();
    await asking[1];
    expect(flights[0]!.request.signal.aborted).toBeTrue();
    void cache.get(ask());
    expect(flights).toHaveLength(2);
  });
});

describe("what was resolved is kept", () => {
  const MINUTE = 60_000;

  test.each([
    { title: "for a minute without an expiry", lifetime: undefined, keep: MINUTE },
    { title: "for a minute with a long life", lifetime: 60 * MINUTE, keep: MINUTE },
    { title: "until 5 minutes before the end", lifetime: 5 * MINUTE + 20_000, keep: 20_000 },
  ])("$title", async ({ lifetime, keep }) => {
    const asking = cache.get(ask());
    flights[0]!.land(lifetime === undefined ? undefined : clock.wall() + lifetime);
    await asking;
    await clock.advance(keep - 1);
    await cache.get(ask());
    expect(flights).toHaveLength(1);
    await clock.advance(1);
    void cache.get(ask());
    expect(flights).toHaveLength(2);
  });

  test("not at all with less than 5 minutes to live", async () => {
    const asking = cache.get(ask());
    flights[0]!.land(clock.wall() + MINUTE);
    await asking;
    void cache.get(ask());
    expect(flights).toHaveLength(2);
  });

  test("no longer than that over a suspend", async () => {
    const asking = cache.get(ask());
    flights[0]!.land();
    await asking;
    clock.suspend(60 * MINUTE);
    void cache.get(ask());
    expect(flights).toHaveLength(2);
  });

  test("until it is dropped; what came since then stays", async () => {
    const asking = cache.get(ask());
    flights[0]!.land();
    const stale = await asking;
    cache.drop(stale);
    const again = cache.get(ask());
    flights[1]!.land();
    const fresh = await again;
    cache.drop(stale);
    await settle();
    expect(await cache.get(ask())).toBe(fresh);
    expect(flights).toHaveLength(2);
  });
});
