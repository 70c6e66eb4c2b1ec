// What goes over the wire: good answers, refusals, and the bad answers that a fault asks for.
import type { Effects, Failure, Garbage } from "./faults.ts";
import { StsError } from "./error.ts";

/** An answer with AWS's headers. */
export function respond(body: string, status: number, requestId: string, now: number): Response {
  const headers = { "content-type": "text/xml", "x-amzn-requestid": requestId, date: new Date(now).toUTCString() };
  return new Response(body, { status, headers });
}

/** The connection closes without an answer. */
export function cutBefore(): Response {
  return new Response(brokenStream([]));
}

/** The connection closes in the middle of the answer. */
export function cutMidway(body: string): Response {
  return new Response(brokenStream([body.slice(0, body.length / 2)]), { headers: { "content-type": "text/xml" } });
}

/** A stream that fails, which makes Bun reset the connection. It fails with `undefined` since Bun prints errors. */
function brokenStream(parts: string[]): ReadableStream {
  return new ReadableStream({
    async pull(controller) {
      const part = parts.shift();
      if (part !== undefined) return controller.enqueue(new TextEncoder().encode(part));
      // Once around the event loop, so that what came before is on its way.
      await new Promise((resolve) => setImmediate(resolve));
      controller.error(undefined);
    },
  });
}

const garbage: Readonly<Record<Garbage, string>> = {
  text: "this is not XML",
  html: "<!doctype html><html><head><title>Sign in to the network</title></head><body><p>Welcome</body></html>",
  "wrong-shape":
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Nothing/></AssumeRoleResponse>',
  empty: "",
};

export function garbageBody(kind: Garbage): string {
  return garbage[kind];
}

/** The refusal that a fault asks for. */
export function failureOf(failure: Failure): StsError {
  if (failure === "Throttling") return new StsError("Throttling", "Rate exceeded", 400);
  if (failure === "SlowDown") return new StsError("SlowDown", "Please reduce your request rate.", 503);
  return new StsError(failure.code, failure.message, failure.status);
}

/** Holds a call up for as long as its faults say. @throws what `signal` was aborted with */
export async function holdUp({ delay, hang }: Effects, cleared: Promise<void>, signal: AbortSignal): Promise<void> {
  if (delay === undefined && hang !== true) return;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    if (delay !== undefined) await Promise.race([Bun.sleep(delay), cleared, aborted.promise]);
    if (hang === true) await Promise.race([cleared, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
