// Places in which Bun has no room to start, or is not let: what every SDK asks is answered there, by the entry of the
// full executable and by the small one.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, linkSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linkSmall } from "../../src/build/express.ts";
import type { Cpu } from "../../src/build/vendor/packages.ts";
import { executable } from "../e2e/machine.ts";
import { scratch } from "../interop/run.ts";
import type { Rig } from "../interop/rigs.ts";
import { type Result, resultOf } from "../processes.ts";
import { canDenyExecutableMemory, denyExecutableMemory, makeFilter, underFilter } from "../seccomp.ts";
import { type Host, startHost } from "./host.ts";
import { releaseState, specification } from "./rigs/gvisor.ts";
import { isReady, places as installed, rigs, testWith } from "./rigs/rigs.ts";

const install = "run test/gate/install.sh";
const unified = "/sys/fs/cgroup/cgroup.subtree_control";
const memory = existsSync("/sys/fs/cgroup/memory")
  ? { parent: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes" }
  : existsSync(unified)
    ? { parent: "/sys/fs/cgroup", limit: "memory.max" }
    : undefined;
const narrowRigs = {
  group: { name: "a group with a limit of memory", files: [memory?.parent ?? null], install, optional: true },
  strict: { name: "PR_SET_MDWE", files: [canDenyExecutableMemory ? "/" : null], install, optional: true },
} satisfies Record<string, Rig>;

/** Bytes. */
const LITTLE = 16 * 1_048_576;
const group = join(memory?.parent ?? "/nowhere", `keyhole-narrow-${process.pid}`);
const work = scratch("narrow");
const filter = join(work.path, "filter");

const shell = (script: string) => ["sh", "-c", `${script}; exec "$@"`, "sh"];

/** Where all three can be asked: the words that run something there. */
const places: readonly [title: string, words: readonly string[], needed: readonly Rig[]][] = [
  ["16 MiB of memory", shell(`echo $$ >'${group}/cgroup.procs'`), [narrowRigs.group]],
  ["an address space of 130 MB", shell("ulimit -v 130000"), []],
  ["MemoryDenyWriteExecute", denyExecutableMemory, [narrowRigs.strict]],
  ["no /proc", ["unshare", "--mount", ...shell("umount -l /proc")], []],
  [
    "a seccomp profile that knows no threads and no mprotect(2)",
    ["sh", "-c", underFilter(["bwrap", "--bind", "/", "/"], filter), "sh"],
    [rigs.bubblewrap],
  ],
  ["pid 1", ["unshare", "--pid", "--fork", "--kill-child"], []],
];

let host: Host;
let directory: string;

beforeAll(async () => {
  if (!isReady()) return;
  host = await startHost(0);
  directory = await host.addGrant("narrow");
  try {
    linkSync(executable, join(directory, "full"));
  } catch {
    copyFileSync(executable, join(directory, "full"));
  }
  writeFileSync(join(directory, "small"), linkSmall(process.arch as Cpu, "0.0.0"), { mode: 0o755 });
  writeFileSync(filter, makeFilter(["mprotect", "clone", "clone3"], 1));
  if (memory === undefined) return;
  mkdirSync(group);
  writeFileSync(join(group, memory.limit), `${LITTLE}`);
}, 60_000);

afterAll(async () => {
  await host?.stop();
  work.remove();
  if (existsSync(group)) rmdirSync(group);
}, 60_000);

async function run(words: readonly string[]): Promise<Result> {
  const env = { HOME: host.home, PATH: process.env["PATH"] ?? "/usr/bin:/bin" };
  return resultOf(Bun.spawn([...words], { env, cwd: "/", stdin: "ignore", stdout: "pipe", stderr: "pipe" }));
}

function expectAnswer(outcome: Result): void {
  expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
  const answer = JSON.parse(outcome.stdout) as Record<string, string>;
  expect(answer["SecretAccessKey"]).toBe(host.secretOf(answer["AccessKeyId"]!));
}

describe.each(places)("%s", (title, words, needed) => {
  const testHere = testWith(needed);

  testHere(`${title}: a warm export is answered`, async () => {
    expectAnswer(await run([...words, executable, "export", "--format", "credential-process", "-n", "dev"]));
  });

  testHere(`${title}: a grant is answered by the full executable and by the small one`, async () => {
    for (const name of ["full", "small"]) expectAnswer(await run([...words, join(directory, name)]));
  });
});

testWith([rigs.bubblewrap])("that profile does forbid what Bun needs", async () => {
  const [, words] = places.find(([title]) => title.includes("seccomp"))!;
  expect((await run([...words, executable, "--version"])).exitCode).not.toBe(0);
});

test.skipIf(!isReady())("an address space of 4 MB, and a stack of 64 KB: the small one answers", async () => {
  expectAnswer(await run([...shell("ulimit -v 4096; ulimit -s 64"), join(directory, "small")]));
});

testWith([])("a root that holds the grant and nothing else: both answer", async () => {
  for (const name of ["full", "small"]) expectAnswer(await run(["chroot", directory, `/${name}`]));
});

testWith([rigs.gvisor])("gVisor: both answer", async () => {
  for (const name of ["full", "small"]) {
    const bundle = join(work.path, `bundle-${name}`);
    const root = join(bundle, "root");
    mkdirSync(root, { recursive: true });
    const container = {
      uid: 0,
      args: [`/grant/${name}`],
      env: [],
      cwd: "/",
      capabilities: [],
      root,
      scratch: "/state",
      binds: [[directory, "/grant"]] as const,
      namespaces: ["pid", "network", "ipc", "uts", "mount"],
    };
    writeFileSync(join(bundle, "config.json"), JSON.stringify(specification(container)));
    const settings = ["--ignore-cgroups", "--network=none", "--platform=ptrace", "--host-uds=open"];
    const runsc = [`${installed.go}/runsc`, "--root", join(work.path, "state"), ...settings];
    expectAnswer(await run([...runsc, "run", "--bundle", bundle, `keyhole-narrow-${process.pid}-${name}`]));
  }
  await releaseState(join(work.path, "state"));
});
