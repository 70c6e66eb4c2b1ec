import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Exchange } from "../../src/sources/sts/failure.ts";
import { createHandler } from "../../src/sources/sts/handler.ts";
import { FakeClock } from "../daemon/fakes/clock.ts";
import { listenWithoutAccepting } from "./blackhole.ts";

const TRUSTING = { enabled: true, verify: true, ca: undefined, extraCa: undefined };

let clock: FakeClock;
let exchanges: Exchange[];
let stop: (() => unknown)[];

beforeEach(() => {
  delete process.env["AWS_CA_BUNDLE"];
  clock = new FakeClock();
  exchanges = [];
  stop = [];
});
afterEach(async () => {
  for (const end of stop) await end();
});

/** Serves on the loopback for one test. */
function serve(answer: (request: Request) => Response | Promise<Response>): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch: answer });
  stop.push(() => server.stop(true));
  return server.port!;
}

function ask(port: number, change: { protocol?: string; enabled?: boolean; signal?: AbortSignal } = {}) {
  const handler = createHandler({
    clock,
    tls: { ...TRUSTING, enabled: change.enabled ?? true },
    proxies: { https: undefined, http: undefined, no: "" },
    onAnswer: (exchange) => exchanges.push(exchange),
  });
  const request = {
    method: "POST",
    protocol: change.protocol ?? "http:",
    hostname: "127.0.0.1",
    port,
    path: "/",
    query: {},
    headers: { "content-type": "text/plain" },
    body: "question",
  };
  return handler.handle(
    request as unknown as Parameters<typeof handler.handle>[0],
    { abortSignal: change.signal } as object,
  );
}

describe("an attempt", () => {
  test.each([
    [
      403,
      '<?xml version="1.0" encoding="UTF-8"?><Error><Code>A</Code></Error>',
      "<ErrorResponse><Error><Code>A</Code></Error></ErrorResponse>",
    ],
    [403, "<ErrorResponse><Error><Code>A</Code></Error></ErrorResponse>", undefined],
    [200, "<Error></Error>", undefined],
    [400, '{"message":"<Error></Error>"}', undefined],
  ])("gives a refusal of status %d in S3's shape back in STS's: %s", async (status, said, shape) => {
    const { response } = await ask(serve(() => new Response(said, { status })));
    expect(await new Response(response.body as ReadableStream).text()).toBe(shape ?? said);
  });

  test("sends the body and gives status, headers and body back", async () => {
    const port = serve(async (request) => new Response(`you said ${await request.text()}`, { status: 418 }));
    const { response } = await ask(port);
    expect(response.statusCode).toBe(418);
    expect(await new Response(response.body as ReadableStream).text()).toBe("you said question");
  });

  test("tells when the answer was had and what time it said it was", async () => {
    const date = "Thu, 01 Jan 2026 01:00:00 GMT";
    const port = serve(() => new Response("", { headers: { date } }));
    await ask(port);
    expect(exchanges).toEqual([{ sentAt: clock.wall(), receivedAt: clock.wall(), date: Date.parse(date) }]);
  });

  test("does not follow a redirect", async () => {
    let followed = false;
    const other = serve(() => {
      followed = true;
      return new Response();
    });
    const { response } = await ask(serve(() => Response.redirect(`http://127.0.0.1:${other}/`)));
    expect(response.statusCode).toBe(302);
    expect(followed).toBeFalse();
  });

  test("turns https into http where TLS is turned off", async () => {
    const { response } = await ask(
      serve(() => new Response("plain")),
      { protocol: "https:", enabled: false },
    );
    expect(response.statusCode).toBe(200);
  });

  test("ends after 10 s without an answer", async () => {
    const asked = Promise.withResolvers<void>();
    const port = serve(() => {
      asked.resolve();
      return new Promise(() => {});
    });
    const asking = failureOf(ask(port));
    await asked.promise;
    await clock.advance(9_999);
    expect(clock.armed).toBeGreaterThan(0);
    await clock.advance(1);
    expect(await asking).toMatchObject({ name: "TimeoutError", message: "nothing within 10 s" });
    expect(clock.armed).toBe(0);
  });

  test("ends after 10 s in the middle of an answer", async () => {
    const started = Promise.withResolvers<void>();
    const port = serve(
      () =>
        new Response(
          new ReadableStream({
            start(controller) {
              controller.enqueue("half");
              started.resolve();
            },
          }),
        ),
    );
    const asking = failureOf(ask(port));
    await started.promise;
    await clock.advance(10_000);
    expect(await asking).toMatchObject({ name: "TimeoutError" });
  });

  test("refuses more than 1 MiB", async () => {
    const port = serve(() => new Response("x".repeat(1024 * 1024 + 1)));
    expect(await failureOf(ask(port))).toMatchObject({
      name: "TimeoutError",
      message: "the answer is longer than 1 MiB",
    });
  });

  test.skipIf(process.platform !== "linux")("ends after 3 s without a connection", async () => {
    const hole = await listenWithoutAccepting();
    stop.push(() => hole.close());
    const asking = failureOf(ask(hole.port));
    await clock.advance(2_000);
    await clock.advance(1_000);
    expect(await asking).toMatchObject({ name: "TimeoutError", message: "no connection within 3 s" });
  });

  test("is given up when its caller gives up", async () => {
    const controller = new AbortController();
    const port = serve(() => {
      controller.abort();
      return new Promise(() => {});
    });
    expect(await failureOf(ask(port, { signal: controller.signal }))).toMatchObject({ name: "AbortError" });
  });
});

function failureOf(action: Promise<unknown>): Promise<unknown> {
  return action.then(
    () => "no failure",
    (error: unknown) => error,
  );
}
