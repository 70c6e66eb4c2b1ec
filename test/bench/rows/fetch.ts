// What a grant answers in a second, against the control socket of the same daemon. Its rate (10/s unless the owner says
// otherwise) is out of the way; most of what then lies between the two is a line of the audit log for every
// answer, written with those of the same turn; the control socket writes one a second for each peer. Clients here wait for their answers, so the rest
// of 10 ms that a grant gives a connection after 16 requests at once (server/connection.ts) is not met.
import { addGrant, fetchRequest, startWarmMachine, vendRequests } from "../machines.ts";
import { atLeast, ratioTo, type Report, type Row } from "../report.ts";
import { summarize } from "../statistics.ts";
import type { Load, Tools } from "../tools.ts";

/** Issue 12. */
const LEAST_OF_CONTROL = 0.6;

interface Sample {
  readonly vend: Load;
  readonly fetch: Load;
}

export async function measureFetch(tools: Tools): Promise<Report> {
  await using machine = await startWarmMachine();
  const directory = await addGrant(machine, "agent", "first", "--no-executable");
  const [rounds, milliseconds] = tools.isQuick ? [3, 200] : [9, 400];
  const measure = async (connections: number, duration = milliseconds): Promise<Sample> => {
    const shape = { connections, milliseconds: duration, mode: "kept" } as const;
    return {
      vend: await tools.load(machine.paths.socket, vendRequests(["first"]), shape),
      fetch: await tools.load(`${directory}/sock`, fetchRequest(), shape),
    };
  };
  // Until the optimising compiler has seen both.
  await measure(16, 800);
  const turns: Sample[] = [];
  const together: Sample[] = [];
  for (let round = 0; round < rounds; round += 1) {
    turns.push(await measure(1));
    together.push(await measure(16));
  }
  const failures = [...turns, ...together].reduce((sum, { vend, fetch }) => sum + vend.failures + fetch.failures, 0);
  const calls = machine.sts.count("AssumeRole");
  return {
    rows: [...latencyRows(turns, "p50"), ...latencyRows(turns, "p99"), ...rateRows(together)],
    defects: [
      ...(failures === 0 ? [] : [`fetch: ${failures} answers were wrong`]),
      ...(calls === 2 ? [] : [`fetch: ${calls} AssumeRole instead of 2`]),
    ],
  };
}

function latencyRows(samples: readonly Sample[], percentile: "p50" | "p99"): Row[] {
  const vend = summarize(samples.map((sample) => sample.vend[percentile]));
  const fetch = summarize(samples.map((sample) => sample.fetch[percentile]));
  const what = `one kept connection, ${percentile}`;
  return [
    { what: `grant, ${what}`, unit: "µs", values: fetch, ratio: ratioTo("control socket", fetch, vend) },
    { what: `control socket, ${what}`, unit: "µs", values: vend },
  ];
}

function rateRows(samples: readonly Sample[]): Row[] {
  const vend = summarize(samples.map((sample) => rateOf(sample.vend)));
  const fetch = summarize(samples.map((sample) => rateOf(sample.fetch)));
  const ratio = ratioTo("control socket", fetch, vend);
  return [
    { what: "grant, 16 kept", unit: "req/s", values: fetch, ratio, target: atLeast(LEAST_OF_CONTROL, ratio.value) },
    { what: "control socket, 16 kept", unit: "req/s", values: vend },
  ];
}

function rateOf({ requests, seconds }: Load): number {
  return requests / seconds;
}
