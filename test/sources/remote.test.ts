import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { build } from "../../src/version.ts";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Credentials } from "../../src/credentials.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import { KeyholeError } from "../../src/errors.ts";
import { StsFailed } from "../../src/sources/sts/failure.ts";
import { createRemoteTransport } from "../../src/sources/sts/remote.ts";
import type { Caller, StsTransport } from "../../src/sources/sts/transport.ts";
import { FakeClock } from "../daemon/fakes/clock.ts";
import { startProxy } from "../sts/proxy.ts";
import { isAlive, until } from "../processes.ts";
import { rejectionOf } from "../thrown.ts";
import { makeWorld, ROLE, type World } from "./fixture.ts";

/** The worker as the daemon runs it, from the sources. */
const WORKER = [process.execPath, join(import.meta.dir, "../../src/main.ts"), "--sts-worker", build];

let world: World;
const open: StsTransport[] = [];

beforeAll(() => {
  delete process.env["AWS_CA_BUNDLE"];
  world = makeWorld();
});
afterEach(() => {
  for (const transport of open.splice(0)) transport.close();
  world.sts.reset();
});
afterAll(() => world.end());

interface Options {
  readonly command?: readonly string[];
  readonly environment?: Record<string, string>;
  readonly clock?: Clock;
}

/** A transport whose workers leave their pids. */
function newTransport({ command = WORKER, environment = {}, clock = systemClock }: Options = {}) {
  const file = world.home.write(`pids-${crypto.randomUUID()}`, "");
  const noting = ["/bin/sh", "-c", `echo $$ >> ${file}; exec "$0" "$@"`, ...command];
  const transport = createRemoteTransport({ command: noting, environment, clock });
  open.push(transport);
  return {
    transport,
    pids: () => readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number),
    assume: (signal = new AbortController().signal) =>
      transport.send("AssumeRole", { RoleArn: ROLE, RoleSessionName: "session" }, caller(), signal),
  };
}

function caller(change: Partial<Caller["target"]> = {}): Caller {
  const tls = { enabled: true, verify: true, ca: undefined, extraCa: undefined };
  const proxies = { https: undefined, http: undefined, no: "" };
  const target = {
    region: "us-east-1",
    namedRegion: undefined,
    useFips: false,
    useDualstack: false,
    useGlobal: false,
    tls,
    proxies,
  };
  // As the daemon has them: they redact themselves where something serialises them.
  return {
    target: { ...target, endpoint: world.sts.url, ...change },
    credentials: new Credentials(world.sts.root),
    skew: 0,
  };
}

/** A worker that does this with what it reads: a shell script. */
const scripted = (script: string): Options => ({ command: ["/bin/sh", "-c", script] });

describe("a worker", () => {
  test("is replaced after 2,000 calls, and ends when it has answered the last of them", async () => {
    const { assume, pids } = newTransport({
      command: [
        process.execPath,
        "-e",
        `for await (const line of console) {
           const { id } = JSON.parse(line);
           console.log(JSON.stringify({ id, output: {}, now: Date.now() }));
         }`,
      ],
    });
    // Many at once, so that the last call of the first worker is not the only one under way.
    for (let round = 0; round < 21; round += 1) await Promise.all(Array.from({ length: 96 }, () => assume()));
    const [first, second, ...more] = pids();
    expect(more).toEqual([]);
    await until(() => !isAlive(first!));
    expect(isAlive(second!)).toBe(true);
  });

  test("serves all calls, and gives what STS issued as plain data", async () => {
    const { transport, assume, pids } = newTransport();
    const [{ output, exchange }] = await Promise.all([assume(), assume(), assume()]);
    const issued = world.sts.issued.get(output.credentials.accessKeyId)!;
    expect(output.credentials.secretAccessKey).toBe(issued.secretAccessKey);
    expect(output.credentials.expiresAt).toBeNumber();
    expect(exchange?.date).toBeNumber();
    const asked = { ...caller(), credentials: output.credentials };
    const identity = await transport.send("GetCallerIdentity", {}, asked, new AbortController().signal);
    expect(identity.output).toMatchObject({ account: "111122223333", arn: expect.stringContaining("demo/session") });
    expect(pids()).toHaveLength(1);
  });

  test("passes on what STS refused, and when", async () => {
    world.sts.faults.add({ fail: { code: "AccessDenied", message: "not ö\nyou", status: 403 } });
    const refused = await rejectionOf(newTransport().assume(), StsFailed);
    expect(refused.failure).toEqual({ kind: "refused", code: "AccessDenied", message: "not ö\nyou", status: 403 });
    expect(refused.exchange?.date).toBeNumber();
  });

  test("passes on that nobody answered", async () => {
    const { transport } = newTransport();
    const nobody = caller({ endpoint: "http://127.0.0.1:1" });
    const sent = transport.send("GetCallerIdentity", {}, nobody, new AbortController().signal);
    expect((await rejectionOf(sent, StsFailed)).failure).toEqual({
      kind: "unanswered",
      message: "ECONNREFUSED",
      host: "127.0.0.1",
      proxy: undefined,
      status: undefined,
    });
  });

  test("is not held up by a call that hangs, and gives that up when it is aborted", async () => {
    const { assume, pids } = newTransport();
    world.sts.faults.add({ hang: true, times: 1 });
    const controller = new AbortController();
    const hanging = rejectionOf(assume(controller.signal), StsFailed);
    await world.sts.until(() => world.sts.count() === 1);
    await assume();
    controller.abort();
    expect((await hanging).failure).toEqual({ kind: "aborted" });
    await assume();
    expect(pids()).toHaveLength(1);
  });

  test("is not started for a call that nobody wants any more", async () => {
    const { assume, pids } = newTransport();
    expect((await rejectionOf(assume(AbortSignal.abort()), StsFailed)).failure).toEqual({ kind: "aborted" });
    expect(pids()).toEqual([]);
  });

  test("uses the proxy of its environment", async () => {
    const proxy = await startProxy({ upstream: world.sts.url });
    try {
      const { transport } = newTransport({
        environment: { HTTPS_PROXY: proxy.url, AWS_ENDPOINT_URL_STS: "http://127.0.0.1:1" },
      });
      const regional = caller({ endpoint: undefined, region: "xx-test-1" });
      await rejectionOf(transport.send("GetCallerIdentity", {}, regional, new AbortController().signal), StsFailed);
      expect(proxy.targets[0]).toBe("sts.xx-test-1.amazonaws.com:443");
    } finally {
      await proxy.stop();
    }
  });

  test.skipIf(!existsSync("/proc/self"))("is told secrets by its stdin alone", async () => {
    const { assume, pids } = newTransport();
    await assume();
    const [pid] = pids();
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain(world.sts.root.secretAccessKey);
    // Only root may look: a worker is not dumpable.
    const environ = (): string => readFileSync(`/proc/${pid}/environ`, "utf8");
    if (process.getuid?.() === 0) expect(environ()).not.toContain(world.sts.root.secretAccessKey);
    else expect(environ).toThrow("EACCES");
  });
});

test("what time it was is told in the time of whoever asks", async () => {
  const clock = new FakeClock();
  const { exchange } = await newTransport({ clock }).assume();
  // The fake clock stands; the worker's ran on by less than this.
  expect(Math.abs(exchange!.receivedAt - clock.wall())).toBeLessThan(1_000);
  expect(exchange!.sentAt).toBeLessThanOrEqual(exchange!.receivedAt);
});

describe("the end of a worker", () => {
  test("fails the calls that are under way, and the next call gets another", async () => {
    const { assume, pids } = newTransport();
    world.sts.faults.add({ hang: true, times: 1 });
    const hanging = rejectionOf(assume());
    await world.sts.until(() => world.sts.count() === 1);
    process.kill(pids()[0]!, "SIGKILL");
    expect(await hanging).toMatchObject({ kind: "network", message: expect.stringContaining("ended") });
    await assume();
    expect(pids()).toHaveLength(2);
  });

  test.each(["exit 3", "read line; kill -9 $$"])(
    "before any answer (%s), three times in a row, is said so",
    async (script) => {
      const clock = new FakeClock();
      const { assume, pids } = newTransport({ ...scripted(script), clock });
      const kinds: string[] = [];
      for (let call = 0; call < 5; call += 1) kinds.push((await rejectionOf(assume())).kind);
      expect(kinds).toEqual(["network", "network", "internal", "internal", "internal"]);
      expect(pids()).toHaveLength(3);
      await clock.advance(5_000);
      expect((await rejectionOf(assume())).message).toBe(
        "the process that asks STS ended 4 times in a row without an answer",
      );
      expect(pids()).toHaveLength(4);
    },
  );

  test("of another build is said so, however often it happens", async () => {
    const { assume } = newTransport({ ...scripted("exit 86"), clock: new FakeClock() });
    for (let call = 0; call < 5; call += 1) {
      expect(await rejectionOf(assume())).toMatchObject({
        kind: "unsupported-version",
        hint: "keyhole daemon restart",
      });
    }
  });

  test("that cannot be started is told from a network's failure", async () => {
    const transport = createRemoteTransport({ command: ["/nowhere/keyhole"], environment: {}, clock: systemClock });
    const sent = transport.send("GetCallerIdentity", {}, caller(), new AbortController().signal);
    expect(await rejectionOf(sent)).toMatchObject({ kind: "internal" });
  });

  test.each([
    ["says what is no JSON", "read line; echo canary; exec sleep 600"],
    ["says too much", "read line; head -c 9000000 /dev/zero; exec sleep 600"],
  ])("comes where it %s", async (_, script) => {
    const { assume, pids } = newTransport(scripted(script));
    const refused = await rejectionOf(assume());
    expect(refused.kind).toBe("network");
    expect(refused.message).not.toContain("canary");
    await until(() => !isAlive(pids()[0]!));
  });

  test("comes where it does not keep its own deadline", async () => {
    const clock = new FakeClock();
    const { assume, pids } = newTransport({ ...scripted("read line; exec sleep 600"), clock });
    const late = rejectionOf(assume());
    await until(() => pids().length === 1);
    await clock.advance(37_000);
    expect((await late).kind).toBe("network");
    await until(() => !isAlive(pids()[0]!));
  });

  test("comes after five seconds without a call, and no sooner", async () => {
    const clock = new FakeClock();
    const { assume, pids } = newTransport({ clock });
    await assume();
    await clock.advance(4_999);
    await assume();
    await clock.advance(4_999);
    const [pid] = pids();
    expect(isAlive(pid!)).toBe(true);
    await clock.advance(1);
    await until(() => !isAlive(pid!));
    await assume();
    expect(pids()).toHaveLength(2);
  });

  test("does not come while a call is under way", async () => {
    const clock = new FakeClock();
    const { assume, pids } = newTransport({ clock });
    await assume();
    world.sts.faults.add({ hang: true, times: 1 });
    const controller = new AbortController();
    const hanging = rejectionOf(assume(controller.signal), StsFailed);
    await world.sts.until(() => world.sts.count() === 2);
    await clock.advance(20_000);
    expect(isAlive(pids()[0]!)).toBe(true);
    controller.abort();
    await hanging;
    await clock.advance(5_000);
    await until(() => !isAlive(pids()[0]!));
  });

  test("is forced where it does not follow", async () => {
    const clock = new FakeClock();
    const answer = JSON.stringify({ id: 1, output: {} });
    const { assume, pids } = newTransport({ ...scripted(`read line; echo '${answer}'; exec sleep 600`), clock });
    await assume();
    await clock.advance(5_000);
    expect(isAlive(pids()[0]!)).toBe(true);
    await clock.advance(2_000);
    await until(() => !isAlive(pids()[0]!));
  });

  test("comes with the daemon's, whose stdin it reads, also in the middle of a call", async () => {
    world.sts.faults.add({ hang: true });
    const worker = Bun.spawn(WORKER, { env: {}, stdin: "pipe", stdout: "pipe", stderr: "ignore" });
    const { accessKeyId, secretAccessKey } = world.sts.root;
    const request = {
      id: 1,
      name: "GetCallerIdentity",
      input: {},
      caller: { ...caller(), credentials: { accessKeyId, secretAccessKey } },
    };
    await worker.stdin.write(`${JSON.stringify(request)}\n`);
    await worker.stdin.flush();
    await world.sts.until(() => world.sts.count() === 1);
    await worker.stdin.end();
    expect(await worker.exited).toBe(0);
  });

  test("while it rests is nobody's failure", async () => {
    const clock = new FakeClock();
    const { assume, pids } = newTransport({ clock });
    await assume();
    process.kill(pids()[0]!, "SIGKILL");
    await until(() => !isAlive(pids()[0]!));
    await clock.advance(5_000);
    await assume();
    await clock.advance(5_000);
    await until(() => !isAlive(pids()[1]!));
  });

  test("comes when the transport is closed", async () => {
    const { assume, transport, pids } = newTransport();
    await assume();
    transport.close();
    await until(() => !isAlive(pids()[0]!));
  });
});

test("a KeyholeError of the transport is shown as it is", async () => {
  const { transport } = newTransport(scripted("exit 3"));
  const broken = makeWorld({}, { transport });
  try {
    expect(await rejectionOf(broken.source.assume(broken.request()))).toBeInstanceOf(KeyholeError);
  } finally {
    await broken.end();
  }
});

test("a source over a worker chains, measures the clock and names what is wrong, as one without", async () => {
  const { transport } = newTransport();
  const skewed = makeWorld({ clockOffset: 3_600_000 }, { transport });
  try {
    const first = await skewed.source.assume(skewed.request());
    expect(Math.abs(first.clockSkew! - 3_600_000)).toBeLessThan(2_000);
    const environment = {
      AWS_ACCESS_KEY_ID: first.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: first.credentials.secretAccessKey,
      AWS_SESSION_TOKEN: first.credentials.sessionToken!,
    };
    const chained = await skewed.source.assume(skewed.request({ environment, assume: { DurationSeconds: 7_200 } }));
    expect(chained.notes[0]).toContain("3600 instead of 7200");
    skewed.sts.faults.add({ fail: { code: "AccessDenied", message: "no", status: 403 } });
    const refused = await rejectionOf(skewed.source.assume(skewed.request()));
    expect(refused).toMatchObject({ kind: "aws-refused", message: "AccessDenied: no" });
    // The first call found out by a refusal; the others knew.
    expect(
      skewed.sts.calls.map(({ outcome }) => outcome).filter((outcome) => outcome === "SignatureDoesNotMatch"),
    ).toHaveLength(1);
  } finally {
    await skewed.end();
  }
});
