// `bun run bench`: everything that is compared runs interleaved, so compare within a run and look at the ratios.
//
//   --quick        fewer rounds and sessions, for a first look
//   --only NAME    one benchmark; may be repeated
//   --peers        elhaz and `aws configure export-credentials` as well, where they are on PATH
//   --json FILE    the numbers, besides the table
//   --soak [N]     instead: a daemon under bounded load for N minutes, 30 if absent (soak/soak.ts)
//   --chaos [N]    instead: kills and faults of STS for N minutes, 10 if absent (chaos/chaos.ts)
//
// A target that is missed is shown and nothing more: time is no test. The exit status is 1 if an answer was wrong, a
// client failed or STS was called more often than it may be.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runChaos } from "./chaos/chaos.ts";
import { type Report, renderJson, renderTable } from "./report.ts";
import { measureClient } from "./rows/client.ts";
import { measureCold } from "./rows/cold.ts";
import { measureFetch } from "./rows/fetch.ts";
import { measureGrants } from "./rows/grants.ts";
import { measureHang } from "./rows/hang.ts";
import { measurePeers } from "./rows/peers.ts";
import { measureRestart } from "./rows/restart.ts";
import { measureSessions } from "./rows/sessions.ts";
import { measureSign } from "./rows/sign.ts";
import { measureStart } from "./rows/start.ts";
import { measureThroughput } from "./rows/throughput.ts";
import { soak } from "./soak/soak.ts";
import { buildTools, type Tools } from "./tools.ts";

const benchmarks: Readonly<Record<string, (tools: Tools) => Promise<Report>>> = {
  client: measureClient,
  throughput: measureThroughput,
  cold: measureCold,
  sessions: measureSessions,
  start: measureStart,
  restart: measureRestart,
  hang: measureHang,
  fetch: measureFetch,
  grants: measureGrants,
  sign: measureSign,
  peers: measurePeers,
};
/** Those that are run only when they are named. */
const optional = ["peers"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    soak: { type: "boolean", default: false },
    chaos: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true },
    peers: { type: "boolean", default: false },
    json: { type: "string" },
  },
});
const isLong = values.soak || values.chaos;
const minutes = Number(positionals[0] ?? (values.soak ? 30 : 10));
if (positionals.length > (isLong ? 1 : 0) || !(minutes > 0)) {
  console.error(
    "usage: bun run bench -- [--quick] [--only NAME]... [--peers] [--json FILE] | --soak [MINUTES] | --chaos [MINUTES]",
  );
  process.exit(2);
}
const wanted = values.only ?? Object.keys(benchmarks).filter((name) => values.peers || !optional.includes(name));
const unknown = wanted.find((name) => benchmarks[name] === undefined);
if (unknown !== undefined) {
  console.error(`no benchmark ${unknown}; there are ${Object.keys(benchmarks).join(", ")}`);
  process.exit(2);
}

const directory = mkdtempSync(join(tmpdir(), "keyhole-bench-"));
const reports: Record<string, Report> = {};
try {
  if (values.soak) reports["soak"] = await soak(directory, minutes);
  if (values.chaos) reports["chaos"] = await runChaos(directory, minutes);
  const tools = isLong ? undefined : await buildTools(directory, values.quick);
  for (const name of tools === undefined ? [] : wanted) {
    console.error(`${name} …`);
    try {
      reports[name] = await benchmarks[name]!(tools!);
    } catch (error) {
      reports[name] = { rows: [], defects: [`${name}: ${String(error)}`] };
    }
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

console.log(renderTable(reports));
if (values.json !== undefined) writeFileSync(values.json, renderJson(reports, values.quick));
const defects = Object.values(reports).flatMap((report) => report.defects ?? []);
for (const defect of defects) console.error(`WRONG: ${defect}`);
process.exit(defects.length === 0 ? 0 : 1);
