// `npm run compare`: keyhole beside what else gives AWS tools their keys. Each that can be installed here (install.sh) is
// run against one STS of our own, behind a proxy that leads every host there, so that nothing else is asked. Writes what
// was measured to measured.json, and makes the README's table of it (table.ts), which a test compares. Then: npm run fmt.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { compileC, openSpawner } from "../bench/tools.ts";
import { executable } from "../e2e/machine.ts";
import { startSts, type Sts } from "../sts/server.ts";
import { generateCertificate } from "../sts/tls.ts";
import { type Place, type Tool, tools, writeProfiles } from "./peers.ts";
import { type Measured, renderComparison } from "./table.ts";

const cache =
  process.env["KEYHOLE_COMPARE_CACHE"] ??
  join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "keyhole-compare");
const here = (name: string) => join(import.meta.dir, name);

/** Each from a new home. */
const TRIES = 3;
/** Warm answers of each try. */
const ROUNDS = 5;
/** Processes at once for a role that no one has assumed. */
const TOGETHER = 12;

if (Bun.spawnSync([here("install.sh")], { stdio: ["ignore", "inherit", "inherit"] }).exitCode !== 0) {
  console.error("compare: not everything could be installed");
}

const certificate = generateCertificate(["sts.eu-west-1.amazonaws.com", "sts.amazonaws.com"]);
const sts = startSts({ tls: certificate });
/** Whatever host is asked for: it leads to our STS. */
const proxy = createServer((client) => {
  client.once("data", () => {
    const upstream = connect(Number(new URL(sts.url).port), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      client.pipe(upstream).pipe(client);
    });
    upstream.on("error", () => client.destroy());
  });
  client.on("error", () => client.destroy());
});
await new Promise<void>((resolve) => {
  proxy.listen(0, "127.0.0.1", resolve);
});
const { port } = proxy.address() as { port: number };

type Environment = Readonly<Record<string, string>>;

/** @throws Error where it fails */
async function run(words: readonly string[], home: string, environment: Environment): Promise<void> {
  const options = {
    env: environment,
    cwd: home,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: 60_000,
  } as const;
  const child = Bun.spawn([...words], options);
  const [said, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (status !== 0) throw new Error(`${words.join(" ")} ended with ${status}: ${said.slice(0, 400)}`);
}

/** Whether a file below the home has a secret that STS gave, as it is. */
function liesOpen(home: string, { issued, root }: Sts): boolean {
  const secrets = [...issued.values()]
    .map((key) => key.secretAccessKey)
    .filter((secret) => secret !== root.secretAccessKey);
  return readdirSync(home, { recursive: true, withFileTypes: true }).some((entry) => {
    if (!entry.isFile()) return false;
    const text = readFileSync(join(entry.parentPath, entry.name), "latin1");
    return secrets.some((secret) => text.includes(secret));
  });
}

async function measure({ name, measured }: Tool): Promise<Measured | undefined> {
  if (measured === undefined) return undefined;
  const program = name === "keyhole" ? executable : (measured.program ?? join(cache, "bin", name));
  if (!existsSync(program)) return undefined;
  const home = mkdtempSync(join(tmpdir(), "keyhole-compare-"));
  writeFileSync(join(home, "ca.pem"), certificate.cert);
  const ca = { SSL_CERT_FILE: join(home, "ca.pem"), AWS_CA_BUNDLE: join(home, "ca.pem") };
  const environment = {
    ...ca,
    HOME: home,
    PATH: process.env["PATH"] ?? "",
    HTTPS_PROXY: `http://127.0.0.1:${port}`,
    HTTP_PROXY: `http://127.0.0.1:${port}`,
    AWS_REGION: "eu-west-1",
    AWS_DEFAULT_REGION: "eu-west-1",
    AWS_STS_REGIONAL_ENDPOINTS: "regional",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_VAULT_BACKEND: "file",
    AWS_VAULT_FILE_PASSPHRASE: "compare",
    CF_KEYRING_FILE_PASSWORD: "compare",
  };
  const keys = { AWS_ACCESS_KEY_ID: sts.root.accessKeyId, AWS_SECRET_ACCESS_KEY: sts.root.secretAccessKey };
  const place: Place = { home, run: (words) => run(words, home, { ...environment, ...keys }) };
  try {
    writeProfiles(home, sts.root);
    await measured.prepare(place, program);
    const command = [program, ...measured.words];
    sts.reset();
    const cold = await spawner.spawnTogether(TOGETHER, command, environment);
    const calls = sts.count("AssumeRole");
    await run(command, home, environment);
    const [warm, nothing] = await spawner.spawnRounds(ROUNDS, [command, ["/bin/true"]], environment);
    if (warm!.failures > 0) throw new Error(warm!.stderr.slice(0, 400));
    return {
      milliseconds: rounded(warm!.wall.min),
      timesNothing: rounded(warm!.wall.min / nothing!.wall.min),
      mebibytes: rounded(warm!.rss.median),
      coldCalls: calls,
      coldFailures: cold.failures,
      liesOpen: liesOpen(home, sts),
    };
  } catch (error) {
    console.error(`compare: ${name} does not answer here: ${String(error)}`);
    return undefined;
  } finally {
    if (measured.end !== undefined) await run([program, ...measured.end], home, environment).catch(() => {});
    rmSync(home, { recursive: true, force: true });
  }
}

const rounded = (value: number) => Math.round(value * 10) / 10;

const directory = mkdtempSync(join(tmpdir(), "keyhole-compare-"));
await compileC("spawn")(join(directory, "spawn"));
const spawner = openSpawner(join(directory, "spawn"));

/** The best time, and the worst of what can go wrong. */
function merged(one: Measured | undefined, other: Measured | undefined): Measured | undefined {
  if (one === undefined || other === undefined) return undefined;
  const fast = one.milliseconds < other.milliseconds ? one : other;
  return {
    ...fast,
    coldCalls: Math.max(one.coldCalls, other.coldCalls),
    coldFailures: Math.max(one.coldFailures, other.coldFailures),
    liesOpen: one.liesOpen || other.liesOpen,
  };
}

async function inTurn<Result>(count: number, make: () => Promise<Result>): Promise<Result[]> {
  const found: Result[] = [];
  // Nothing else may run beside what is timed.
  // oxlint-disable-next-line no-await-in-loop
  while (found.length < count) found.push(await make());
  return found;
}

const results: Record<string, Measured> = {};
for (const tool of tools) {
  // Nothing else may run beside what is timed.
  // oxlint-disable-next-line no-await-in-loop
  const tries = await inTurn(TRIES, () => measure(tool));
  const result = tries.reduce(merged);
  if (result !== undefined) results[tool.name] = result;
  console.error(tool.name, result ?? "not measured");
}
rmSync(directory, { recursive: true });
proxy.close();
await sts.stop();
writeFileSync(here("measured.json"), `${JSON.stringify(results, undefined, 2)}\n`);
const readme = here("../../README.md");
const text = readFileSync(readme, "utf8");
writeFileSync(
  readme,
  text.replace(/^\| +\| a warm answer [\s\S]*?^Sources of .*$/m, () => renderComparison(results)),
);
process.exit(0);
