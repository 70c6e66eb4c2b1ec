// Files of a source that are edited while a session has credentials of it.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { KeyholeError } from "../../../src/errors.ts";
import { failureOf } from "../fakes/source.ts";
import { newWorld, type World } from "../fakes/world.ts";

const FILES = { paths: ["/h/.aws/config"], stamp: "1", digest: "a" };

let world: World;

beforeEach(async () => {
  world = newWorld();
  world.source.shared = FILES;
  await world.add("a");
  await world.vend("a");
});

afterEach(() => {
  world.sessions.stop();
});

async function vendLater(): Promise<string> {
  await world.clock.advance(200);
  return (await world.vend("a")).credentials.accessKeyId;
}

test("what says something else is another source, at the next request", async () => {
  world.source.shared = { ...FILES, stamp: "2", digest: "b" };
  expect(await vendLater()).toBe("ASIA-a-2");
  expect(await vendLater()).toBe("ASIA-a-2");
  expect(world.source).toMatchObject({ count: 2, rereads: 1 });
});

test("what says the same is read once, and asks nobody", async () => {
  world.source.shared = { ...FILES, stamp: "2" };
  for (let times = 0; times < 3; times++) expect(await vendLater()).toBe("ASIA-a-1");
  expect(world.source).toMatchObject({ count: 1, rereads: 1 });
});

test("a burst of requests is one look, and all of it waits for the new credentials", async () => {
  world.source.shared = { ...FILES, stamp: "2", digest: "b" };
  await world.clock.advance(200);
  const issues = await Promise.all(Array.from({ length: 50 }, () => world.vend("a")));
  expect(new Set(issues.map(({ credentials }) => credentials.accessKeyId))).toEqual(new Set(["ASIA-a-2"]));
  expect(world.source).toMatchObject({ count: 2, rereads: 1 });
});

test("good credentials are not traded for an error, and the edit counts when it works", async () => {
  world.source.shared = { ...FILES, stamp: "2", digest: "b" };
  world.source.failure = failureOf("no-source-credentials");
  for (let times = 0; times < 3; times++) expect(await vendLater()).toBe("ASIA-a-1");
  expect(world.source).toMatchObject({ count: 2, rereads: 1 });
  expect(world.sessions.infoOf("a")).toMatchObject({ failures: 1, lastError: expect.any(String) });
  world.source.failure = undefined;
  await world.clock.advance(60_000);
  expect(await vendLater()).toBe("ASIA-a-3");
  expect(world.sessions.infoOf("a")).toMatchObject({ failures: 0, lastError: undefined });
});

test("an edit that is taken back leaves no error", async () => {
  world.source.shared = { ...FILES, stamp: "2", digest: "b" };
  world.source.failure = failureOf("no-source-credentials");
  await vendLater();
  world.source.shared = { ...FILES, stamp: "3" };
  expect(await vendLater()).toBe("ASIA-a-1");
  expect(world.sessions.infoOf("a")).toMatchObject({ failures: 0, lastError: undefined });
});

test("files that cannot be read, or do not answer, change nothing", async () => {
  const { source } = world;
  source.reread = () => Promise.reject(new KeyholeError("person-needed", "a pipe"));
  source.shared = { ...FILES, stamp: "2" };
  expect(await vendLater()).toBe("ASIA-a-1");
  source.stampOf = () => Promise.resolve(undefined);
  expect(await vendLater()).toBe("ASIA-a-1");
  expect(source.count).toBe(1);
});

test("a helper of the edited files is run with the surroundings of who asks", async () => {
  const { source, sessions } = world;
  source.shared = { ...FILES, stamp: "2", digest: "b" };
  source.resolve = ({ asksSurroundings }) =>
    asksSurroundings ? Promise.reject(failureOf("surroundings-wanted")) : Promise.resolve();
  await world.clock.advance(200);
  expect(await Promise.resolve(sessions.vend("a", true)).catch((error: unknown) => error)).toMatchObject({
    kind: "surroundings-wanted",
  });
  const surroundings = { variables: {}, workingDirectory: "/", leftOut: [] };
  await sessions.add("a", {}, { verify: true, renew: false, keep: true, canTell: true, surroundings });
  expect((await world.vend("a")).credentials.accessKeyId).toBe("ASIA-a-2");
});
