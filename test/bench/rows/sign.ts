// What a grant that signs costs: the throughput of one client through it against the same straight to the same server over
// TLS, the milliseconds that it adds, its signer's memory, and how soon a revocation cuts an upload. The client and the server
// do next to nothing else: a real one that does more, as the AWS CLI, loses less.
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { addGrant, createHost, inside } from "../../e2e/granthost.ts";
import { until } from "../../e2e/machine.ts";
import { childrenOf } from "../../processes.ts";
import { generateCertificate } from "../../sts/tls.ts";
import { cpuTimeOf, fetchRequest } from "../machines.ts";
import { atLeast, atMost, once, ratioTo, type Report, type Row } from "../report.ts";
import { summarize } from "../statistics.ts";
import type { Tools } from "../tools.ts";
import type { Transfer } from "../transfers.ts";

/** Issue 16. */
const LEAST_OF_DIRECT = 0.6;
const MOST_ADDED = 2;
const MOST_MEMORY = 96;
const LONGEST_CUT = 100;

const MEBIBYTE = 2 ** 20;

export async function measureSign(tools: Tools): Promise<Report> {
  await using it = await begin(tools);
  const rows: Row[] = [];
  const sizes = [1 / 16, 1, 16, 256, ...(tools.isQuick ? [] : [1024])];
  for (const kind of ["up, unsigned", "up, hashed", "down"] as const)
    for (const size of sizes) {
      const shape = { kind, bytes: size * MEBIBYTE, count: size < 1 ? 200 : size < 16 ? 40 : size < 256 ? 8 : 1 };
      const direct: number[] = [];
      const through: number[] = [];
      for (let round = 0; round < (tools.isQuick ? 3 : 5); round += 1) {
        direct.push(...(await it.direct(shape)));
        through.push(...(await it.through(shape)));
      }
      const rate = (times: readonly number[]) => summarize(times.map((time) => (size * 1000) / time));
      const ratio = ratioTo("direct", rate(through), rate(direct));
      const what = `${kind}, ${size < 1 ? "64 KiB" : `${size} MiB`}`;
      rows.push({ what, unit: "MiB/s", values: rate(through), ratio, target: atLeast(LEAST_OF_DIRECT, ratio.value) });
    }
  const small = { kind: "down", bytes: 1, count: 500 } as const;
  const [direct, through] = [summarize(await it.direct(small)), summarize(await it.through(small))];
  const added = through.median - direct.median;
  rows.push({ what: "a small answer", unit: "ms", values: through, target: atMost(MOST_ADDED, added, " ms added") });
  rows.push(...(await measureMemory(it, tools)), ...(await measureNeighbour(it, tools)), await measureCut(it));
  return { rows };
}

async function measureMemory(it: Begun, { isQuick }: Tools): Promise<Row[]> {
  const bytes = (isQuick ? 0.5 : 5) * 2 ** 30;
  const pid = it.signer();
  const rows: Row[] = [];
  for (const kind of ["up, unsigned", "up, hashed", "down"] as const) {
    const before = cpuTimeOf(pid);
    await it.through({ kind, bytes, count: 1 });
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
    const cpu = (cpuTimeOf(pid) - before) / 1000 / (bytes / 2 ** 30);
    const what = `signer's most resident so far, ${bytes / 2 ** 30} GiB ${kind}`;
    const note = `${cpu.toFixed(0)} ms of CPU time for each GiB`;
    rows.push({ what, unit: "MiB", values: once(peak), target: atMost(MOST_MEMORY, peak, " MiB"), note });
  }
  return rows;
}

/** Fetches of another grant, while a sandbox opens as many connections to `sign` as it can and sends what is refused. */
async function measureNeighbour(it: Begun, { load, isQuick }: Tools): Promise<Row[]> {
  const socket = join(await addGrant(it.machine, "other --config aws --mount-at host --rate 1000000/s"), "sock");
  const measure = () =>
    load(socket, fetchRequest(), { connections: 4, mode: "kept", milliseconds: isQuick ? 400 : 2000 });
  await measure();
  const quiet = await measure();
  const flood = Array.from({ length: 600 }, () => {
    const one = net.connect({ path: it.socket }, () => one.write("GET /s3/b HTTP/1.1\r\nhost: x\r\n\r\n"));
    return one.on("error", () => {}).on("data", () => one.write("GET /s3/b HTTP/1.1\r\nhost: x\r\n\r\n"));
  });
  const flooded = await measure();
  for (const one of flood) one.destroy();
  const note = `p99 ${flooded.p99} µs; ${quiet.p50} and ${quiet.p99} µs without; three programs share the CPUs`;
  return [{ what: "fetch of another grant beside a flood, p50", unit: "µs", values: once(flooded.p50), note }];
}

/** From the start of `grant revoke` to the end of an upload's connection. */
async function measureCut(it: Begun): Promise<Row> {
  const upload = it.through({ kind: "up, unsigned", bytes: 2 ** 40, count: 1 }).then(
    () => 0,
    () => performance.now(),
  );
  const before = cpuTimeOf(it.signer());
  await until(() => cpuTimeOf(it.signer()) > before + 100_000);
  const began = performance.now();
  await it.machine.keyhole("grant revoke box");
  const cut = (await upload) - began;
  return {
    what: "grant revoke, to an upload's end",
    unit: "ms",
    values: once(cut),
    target: atMost(LONGEST_CUT, cut, " ms"),
  };
}

type Begun = Awaited<ReturnType<typeof begin>>;

async function begin({ directory }: Tools) {
  const { key, cert } = generateCertificate();
  const sparse = join(directory, "sparse");
  writeFileSync(sparse, "");
  truncateSync(sparse, 5 * 2 ** 30);
  const program = join(import.meta.dir, "../transfers.ts");
  const sink = Bun.spawn([process.execPath, program, "sink", key, cert, sparse], { stdout: "pipe", stderr: "inherit" });
  const sinkPort = Number(new TextDecoder().decode((await sink.stdout.getReader().read()).value));
  const machine = await createHost();
  // The proxy of the tests' machines leads nowhere.
  machine.environment["NO_PROXY"] = "127.0.0.1";
  const endpoint = `Sign.endpoint_url=https://127.0.0.1:${sinkPort}`;
  await machine.addConfig("aws", endpoint, "STS.region_name=eu-west-1", "STS.verify=false");
  const grant = await addGrant(machine, "box --config aws --mount-at host --rate 1000000/s --sign");
  const config = readFileSync(join(grant, "aws-config"), "utf8");
  const setting = (name: string) => new RegExp(`^aws_${name} = (.*)$`, "m").exec(config)![1]!;
  const keys = { accessKeyId: setting("access_key_id"), secretAccessKey: setting("secret_access_key") };
  const port = Number(/127\.0\.0\.1:(\d+)\/s3$/m.exec(config)![1]);
  const words = ["relay", "--", "sh", "-c", "echo ready; exec sleep 100000"];
  const relay = machine.spawn(words, { program: join(grant, "keyhole"), env: inside });
  await relay.stdout.getReader().read();
  const run = async (transfer: Transfer): Promise<number[]> => {
    const child = Bun.spawn([process.execPath, program, "client", JSON.stringify(transfer)], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const [text, why] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(`${transfer.kind}: ${why.slice(0, 500)}`);
    return JSON.parse(text) as number[];
  };
  type Shape = Pick<Transfer, "kind" | "bytes" | "count">;
  const through = (shape: Shape) => run({ ...shape, keys, port, isTls: false });
  await through({ kind: "up, unsigned", bytes: 2 ** 16, count: 200 });
  return {
    machine,
    socket: join(grant, "sign"),
    through,
    direct: (shape: Shape) => run({ ...shape, keys, port: sinkPort, isTls: true }),
    signer: () => childrenOf(machine.daemonPid()!, "--signer")[0]!,
    async [Symbol.asyncDispose]() {
      relay.kill("SIGKILL");
      sink.kill("SIGKILL");
      await machine[Symbol.asyncDispose]();
    },
  };
}
