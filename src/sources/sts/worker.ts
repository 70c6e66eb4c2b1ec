// The hidden role `--sts-worker`: a child of the daemon that holds the AWS SDK, so that neither its memory nor its work
// is on the thread that vends. The daemon's side is remote.ts. Ends when its stdin does, however the daemon ended.
import { systemClock } from "../../clock.ts";
import { loadHardened } from "../../native/load.ts";
import { createDirectTransport, loadSdk } from "./direct.ts";
import { failureOf, StsFailed } from "./failure.ts";
import { readLines } from "../../text/lines.ts";
import {
  type CallRequest,
  type DatedAnswer,
  LARGEST_REQUEST,
  OTHER_BUILD,
  type WorkerAnswer,
  type WorkerRequest,
} from "./worker-protocol.ts";
import type { StsTransport } from "./transport.ts";
import { build } from "../../version.ts";

/** @param daemonBuild the build of the daemon that started it */
export async function main(daemonBuild: string | undefined): Promise<void> {
  if (daemonBuild !== build) process.exit(OTHER_BUILD);
  loadHardened();
  // A worker is only started with a call for it.
  void loadSdk();
  const transport = createDirectTransport({ clock: systemClock });
  const output = Bun.stdout.writer();
  try {
    await serveCalls(Bun.stdin.stream(), transport, (answer) => {
      // A pipe that is broken is a daemon that has ended, and then stdin ends as well.
      const dated: DatedAnswer = { ...answer, now: systemClock.wall() };
      void Promise.allSettled([output.write(`${JSON.stringify(dated)}\n`), output.flush()]);
    });
  } catch {
    // Not a daemon's lines: a person who typed them learns nothing of what stands here.
    process.exit(1);
  }
  process.exit(0);
}

/** Makes the calls that `requests` asks for, until it ends. */
export async function serveCalls(
  requests: AsyncIterable<Uint8Array>,
  transport: StsTransport,
  answer: (answer: WorkerAnswer) => void,
): Promise<void> {
  const calls = new Map<number, AbortController>();

  async function serve({ id, name, input, caller }: CallRequest): Promise<void> {
    const controller = new AbortController();
    calls.set(id, controller);
    try {
      const { output, exchange } = await transport.send(name, input, caller, controller.signal);
      if (!controller.signal.aborted) answer({ id, output, exchange });
    } catch (error) {
      const exchange = error instanceof StsFailed ? error.exchange : undefined;
      if (!controller.signal.aborted) answer({ id, failure: failureOf(error), exchange });
    } finally {
      calls.delete(id);
    }
  }

  for await (const line of readLines(requests, LARGEST_REQUEST)) {
    const request = JSON.parse(line) as WorkerRequest;
    if ("cancel" in request) calls.get(request.cancel)?.abort();
    else void serve(request);
  }
}
