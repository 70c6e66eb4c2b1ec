// What is on the disk, and what is not, when a process ends in the middle of writing.
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startForeground } from "./daemons.ts";
import { addGrant, createHost } from "./granthost.ts";
import { createMachine, type Machine, until } from "./machine.ts";

const hasStrace = Bun.which("strace") !== null;

/** Everything in a home but what stands in directories of grants, whose parent lists nothing. */
function filesIn({ paths }: Machine): string[] {
  const names = readdirSync(paths.home).filter((name) => name !== "g");
  return names.flatMap((name) => readdirSync(join(paths.home, name)).map((file) => `${name}/${file}`));
}

test.skipIf(!hasStrace)(
  "what was being written when a process was killed is gone at the daemon's next start",
  async () => {
    await using machine = await createMachine({ configs: ["dev"] });
    await machine.keyhole("exec --refresh -n dev -- true");
    await machine.keyhole("daemon stop");
    const before = filesIn(machine);
    const killed = [
      "strace",
      "-f",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      "trace=rename",
      "-e",
      "inject=rename:signal=SIGKILL",
    ];
    await machine.run(["config", "update", "-n", "dev", "--set", "Meta.description=x"], { under: killed });
    await machine.run(["exec", "--refresh", "-n", "dev", "--", "true"], {
      under: killed,
      env: { KEYHOLE_AUTOSTART: "0" },
    });
    const unfinished = filesIn(machine).filter((file) => !before.includes(file));
    expect(unfinished).toContainEqual(expect.stringMatching(/^configs\/\.dev\.yaml\./));
    // Of other processes, which this test cannot kill at that moment.
    const { pid } = Bun.spawnSync(["true"]);
    const uuid = crypto.randomUUID();
    mkdirSync(join(machine.paths.home, "grants"), { recursive: true, mode: 0o700 });
    for (const file of ["grants/.a.yaml", "run/.sessions.json", "logs/.audit-grants.jsonl", "configs/.b.yaml"])
      writeFileSync(join(machine.paths.home, `${file}.${pid}.${uuid}`), "half");
    mkdirSync(join(machine.paths.home, "run", `edit-${pid}-abcdef`));
    writeFileSync(join(machine.paths.home, "run", `edit-${pid}-abcdef`, "dev.yaml"), "aws_secret_access_key: x");
    await machine.keyhole("daemon start");
    const isUnfinished = (file: string): boolean =>
      file.includes(uuid) || file.includes("edit-") || unfinished.includes(file);
    await until(() => !filesIn(machine).some(isUnfinished));
    expect(await machine.keyhole("config get -n dev")).toContain("RoleArn");
  },
);

test("what others keep beside a socket, a log and configs that a person placed stays", async () => {
  await using machine = await createMachine();
  const { pid } = Bun.spawnSync(["true"]);
  const place = join(machine.home, "place");
  mkdirSync(join(place, `edit-${pid}-photos`), { recursive: true, mode: 0o700 });
  const half = `.x.yaml.${pid}.${crypto.randomUUID()}`;
  writeFileSync(join(place, half), "half");
  const others = ["nvim.12345.0", "root@10.0.0.5"];
  const servers = others.map((name) => Bun.listen({ unix: join(place, name), socket: { data: () => {} } }));
  try {
    const log = join(place, "k.log");
    const env = { KEYHOLE_SOCKET: join(place, "k.sock"), KEYHOLE_LOGGING_PATH: log, KEYHOLE_CONFIG_DIR: place };
    await machine.keyhole("daemon start", { env });
    await until(() => readFileSync(log, "utf8").includes("unfinished files removed"));
    expect(readdirSync(place)).toEqual(expect.arrayContaining([`edit-${pid}-photos`, ...others]));
    expect(readdirSync(place)).not.toContain(half);
    await machine.keyhole("daemon stop", { env });
  } finally {
    for (const server of servers) server.stop(true);
  }
});

test.skipIf(!hasStrace)("definitions and configs are on the disk before anybody is told so", async () => {
  await using machine = await createHost();
  const trace = join(machine.home, "trace");
  const calls = "trace=openat,fsync,fdatasync,rename,renameat,renameat2,unlink,close";
  const traced = ["strace", "-f", "-qq", "-y", "-o", trace, "-e", calls];
  let seen = 0;
  /** What was done for a file since it was asked last. */
  const stepsFor = (file: RegExp) => {
    const text = readFileSync(trace, "utf8");
    const steps = durable(text.slice(seen), file);
    seen = text.length;
    return steps;
  };
  const daemon = await startForeground(machine, { under: traced });
  await addGrant(machine, "agent-a --config dev --no-executable");
  expect(stepsFor(/grants\/\.agent-a\.yaml\./)).toEqual(["file", "rename", "directory"]);
  await machine.keyhole("grant revoke agent-a");
  expect(stepsFor(/grants\/\.agent-a\.yaml\./)).toEqual(["file", "rename", "directory"]);
  await machine.keyhole("grant remove --yes agent-a");
  expect(stepsFor(/grants\/agent-a\.yaml"/)).toEqual(["unlink", "directory"]);
  await machine.keyhole("daemon stop");
  await daemon.exited;
  seen = 0;
  await machine.run(["config", "update", "-n", "dev", "--set", "Meta.description=x"], { under: traced });
  expect(stepsFor(/configs\/\.dev\.yaml\./)).toEqual(["file", "rename", "directory"]);
});

/** In which order a file came to the disk: synced, renamed or removed, and its directory synced. */
function durable(trace: string, file: RegExp): string[] {
  const steps: string[] = [];
  for (const line of trace.split("\n")) {
    const call = /^\d+ +(\w+)\(/.exec(line)?.[1];
    if (call === "fsync" && file.test(line.replace(">", '"'))) steps.push("file");
    else if (call === "fsync" && /(grants|configs)>/.test(line)) steps.push("directory");
    else if (call?.startsWith("rename") && file.test(line)) steps.push("rename");
    else if (call === "unlink" && file.test(line) && line.endsWith(" = 0")) steps.push("unlink");
  }
  return steps;
}
