import { expect, test } from "bun:test";
import { StsFailed } from "../../src/sources/sts/failure.ts";
import type { WorkerAnswer, WorkerRequest } from "../../src/sources/sts/worker-protocol.ts";
import type { Caller, StsAnswer, StsTransport } from "../../src/sources/sts/transport.ts";
import { serveCalls } from "../../src/sources/sts/worker.ts";
import { settle } from "../daemon/fakes/clock.ts";

const caller = { target: {}, credentials: {}, skew: 7 } as Caller;
const identity = { userId: "AROA:x", account: "111122223333", arn: "arn" };

/** A worker without a process, whose calls wait for the test. */
function newWorker() {
  const answers: WorkerAnswer[] = [];
  const calls: { name: string; caller: Caller; signal: AbortSignal; end: PromiseWithResolvers<StsAnswer<never>> }[] =
    [];
  const transport: StsTransport = {
    send: (name, _, who, signal) => {
      const end = Promise.withResolvers<StsAnswer<never>>();
      calls.push({ name, caller: who, signal, end });
      return end.promise;
    },
    close: () => {},
  };
  const input = new TransformStream<Uint8Array, Uint8Array>();
  const writer = input.writable.getWriter();
  const served = serveCalls(input.readable, transport, (answer) => void answers.push(answer));
  return {
    answers,
    calls,
    served,
    ask: async (request: WorkerRequest) => {
      await writer.write(Buffer.from(`${JSON.stringify(request)}\n`));
      await settle();
    },
    close: () => writer.close(),
  };
}

const call = (id: number): WorkerRequest => ({ id, name: "GetCallerIdentity", input: {}, caller });

test("answers calls in the order in which they end", async () => {
  const worker = newWorker();
  await worker.ask(call(1));
  await worker.ask(call(2));
  expect(worker.calls).toMatchObject([{ name: "GetCallerIdentity", caller: { skew: 7 } }, {}]);
  worker.calls[1]!.end.resolve({ output: identity as never, exchange: undefined });
  await settle();
  worker.calls[0]!.end.resolve({ output: identity as never, exchange: undefined });
  await settle();
  expect(worker.answers.map(({ id }) => id)).toEqual([2, 1]);
  expect(worker.answers[0]).toMatchObject({ output: identity });
});

test("passes a failure on, with the answer that told the time", async () => {
  const worker = newWorker();
  await worker.ask(call(1));
  const exchange = { sentAt: 1, receivedAt: 2, date: 3 };
  const failure = { kind: "refused", code: "AccessDenied", message: "no", status: 403 } as const;
  worker.calls[0]!.end.reject(new StsFailed(failure, exchange));
  await settle();
  expect(worker.answers).toEqual([{ id: 1, failure, exchange }]);
});

test("an error of its own tells nothing of what it says", async () => {
  const worker = newWorker();
  await worker.ask(call(1));
  worker.calls[0]!.end.reject(new TypeError("canary"));
  await settle();
  expect(worker.answers).toEqual([{ id: 1, failure: { kind: "unreadable" }, exchange: undefined }]);
});

test("a call that is cancelled is aborted and not answered", async () => {
  const worker = newWorker();
  await worker.ask(call(1));
  await worker.ask(call(2));
  await worker.ask({ cancel: 1 });
  await worker.ask({ cancel: 99 });
  expect(worker.calls.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  worker.calls[0]!.end.reject(new StsFailed({ kind: "aborted" }));
  await settle();
  expect(worker.answers).toEqual([]);
});

test("ends with its input, whatever is under way", async () => {
  const worker = newWorker();
  await worker.ask(call(1));
  await worker.close();
  await worker.served;
  expect(worker.answers).toEqual([]);
});
