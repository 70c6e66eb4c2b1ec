// What another process of the same user cannot do to a daemon, and what a hostile directory or environment cannot make
// the executable do (src/DESIGN.md#what-bun-does).
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asOrdinary, giveHomeToOrdinary, canBeOthers, isRoot, publicExecutable, startForeground } from "./daemons.ts";
import { createMachine, isAlive, type Machine, until } from "./machine.ts";

/** Root may look everywhere, so that it must become somebody else for this. */
const canBeOrdinary = canBeOthers || !isRoot;
const skipped = canBeOrdinary ? [] : ["what a process of the same user sees, because setpriv is missing"];
for (const tool of ["strace", "gdb"]) if (Bun.which(tool) === null) skipped.push(`${tool}, which is missing`);
if (skipped.length > 0) console.error(`NOT TESTED: ${skipped.join("; ")}`);

let program: ReturnType<typeof publicExecutable>;
beforeAll(() => {
  program = publicExecutable();
});
afterAll(() => program.remove());

/** An ordinary user's daemon with a session, and what another process of that user gets from a command. */
async function ordinaryDaemon(machine: Machine) {
  giveHomeToOrdinary(machine);
  const options = { under: asOrdinary, program: program.path };
  const keyhole = async (...words: string[]) => {
    const result = await machine.run(words, options);
    expect(result).toMatchObject({ exitCode: 0 });
  };
  await keyhole(...machine.adding("dev"));
  await keyhole("daemon", "start");
  await keyhole("daemon", "add", "-n", "dev");
  const pid = machine.daemonPid()!;
  const attack = (...words: string[]) => {
    const { stdout, stderr, exitCode } = Bun.spawnSync([...asOrdinary, ...words], {
      env: { PATH: "/usr/bin:/bin", HOME: machine.home },
      cwd: "/",
    });
    return { stdout: stdout.toString(), stderr: stderr.toString(), exitCode };
  };
  return { pid, attack };
}

test.skipIf(!canBeOrdinary)(
  "a process of the same user reads neither memory nor environment nor descriptors",
  async () => {
    await using machine = await createMachine();
    const { pid, attack } = await ordinaryDaemon(machine);
    // The same commands work on a process that does not defend itself; otherwise this would prove nothing.
    const open = Bun.spawn([...asOrdinary, "sleep", "1000"], { env: { PATH: "/usr/bin:/bin" } });
    try {
      await until(() => readFileSync(`/proc/${open.pid}/comm`, "utf8") === "sleep\n");
      for (const name of ["environ", "maps", "auxv", "smaps"]) {
        expect([name, attack("cat", `/proc/${open.pid}/${name}`).exitCode]).toEqual([name, 0]);
        expect([name, attack("cat", `/proc/${pid}/${name}`)]).toMatchObject([name, { stdout: "", exitCode: 1 }]);
      }
      const readMemory = (of: number) => attack("dd", `if=/proc/${of}/mem`, "count=0").exitCode;
      expect([readMemory(open.pid), readMemory(pid)]).toEqual([0, 1]);
      for (const name of ["fd", "map_files"]) {
        expect([name, attack("ls", `/proc/${open.pid}/${name}`).exitCode]).toEqual([name, 0]);
        expect([name, attack("ls", `/proc/${pid}/${name}`).exitCode]).toEqual([name, 2]);
      }
    } finally {
      open.kill("SIGKILL");
    }
  },
);

test.skipIf(!canBeOrdinary || Bun.which("strace") === null || Bun.which("gdb") === null)(
  "a process of the same user cannot trace it",
  async () => {
    await using machine = await createMachine();
    const { pid, attack } = await ordinaryDaemon(machine);
    const strace = attack("timeout", "5", "strace", "-p", String(pid));
    expect(strace.stderr).toContain("Operation not permitted");
    const gdb = attack("timeout", "20", "gdb", "-nx", "-batch", "-p", String(pid), "-ex", "info proc mappings");
    expect(gdb.stdout + gdb.stderr).toContain("Operation not permitted");
    expect(isAlive(pid)).toBe(true);
  },
);

test("no core file, whatever the limit was", async () => {
  await using machine = await createMachine();
  const work = join(machine.home, "work");
  const daemon = await startForeground(machine, { under: ["/bin/sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh"] });
  if (isRoot) expect(readFileSync(`/proc/${daemon.pid}/limits`, "utf8")).toMatch(/^Max core file size +0 +0 /m);
  daemon.kill("SIGABRT");
  await daemon.exited;
  expect(daemon.signalCode).toBe("SIGABRT");
  for (const directory of ["/", work, machine.home, machine.paths.home]) {
    expect(readdirSync(directory).filter((name) => /^core(\.\d+)?$/.test(name))).toEqual([]);
  }
});

/** What a shell may have set, and the daemon must not have. */
const unwanted = {
  AWS_PROFILE: "someone",
  AWS_SESSION_TOKEN: "token",
  AWS_CONFIG_FILE: "/nowhere",
  NODE_OPTIONS: "--require /nowhere.js",
  NODE_TLS_REJECT_UNAUTHORIZED: "0",
  BUN_CONFIG_VERBOSE_FETCH: "curl",
  BUN_JSC_useJIT: "1",
  LD_LIBRARY_PATH: "/nowhere",
  KEYHOLE_CHAIN: "dev@/nowhere",
};

const namesIn = (pid: number) =>
  [...readFileSync(`/proc/${pid}/environ`, "utf8").matchAll(/(?:^|\0)([^=\0]+)=/g)].map(([, name]) => name!).toSorted();

test.skipIf(!isRoot)("a launched daemon has nothing of its starter's AWS_*, BUN_* and NODE_*", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start", { env: unwanted });
  expect(namesIn(machine.daemonPid()!)).toEqual(["HOME", "HTTPS_PROXY", "PATH"]);
});

test.skipIf(!isRoot)(
  "neither has a daemon in the foreground, not even in the memory that it was started with",
  async () => {
    await using machine = await createMachine();
    const daemon = await startForeground(machine, { env: unwanted });
    expect(namesIn(daemon.pid)).toEqual(["HOME", "HTTPS_PROXY", "PATH"]);
  },
);

test("a daemon in the foreground hands nothing of its starter's environment on", async () => {
  await using machine = await createMachine();
  const spy = join(machine.home, "spy");
  writeFileSync(spy, `#!/bin/sh\nenv > ${machine.home}/seen\necho 123456\n`, { mode: 0o700 });
  await machine.addConfig("dev", "AssumeRole.SerialNumber=arn:aws:iam::111122223333:mfa/dev", `MFA.command=${spy}`);
  machine.sts.mfa = { serialNumber: "arn:aws:iam::111122223333:mfa/dev", code: "123456" };
  await startForeground(machine, { env: unwanted });
  await machine.keyhole("export -n dev", { env: { BUN_JSC_useJIT: "1", NODE_OPTIONS: "--require /nowhere.js" } });
  const seen = readFileSync(join(machine.home, "seen"), "utf8");
  const names = [...seen.matchAll(/^([A-Z_a-z]+)=/gm)].map(([, name]) => name!);
  expect(names.filter((name) => /^(BUN_|NODE_|LD_)|^AWS_(PROFILE|SESSION_TOKEN|CONFIG_FILE)$/.test(name))).toEqual([]);
  // Only what the requester said, and our own mark.
  expect(/^KEYHOLE_CHAIN=(.*)$/m.exec(seen)![1]).toStartWith("dev@");
  expect(seen).not.toContain("dev@/nowhere");
});

/** A directory in which a Bun or a Node would run somebody else's code, or take somebody else's settings. */
function makeHostile(directory: string): () => string[] {
  const trap = (name: string) => `require("node:fs").writeFileSync(${JSON.stringify(join(directory, name))}, "ran");\n`;
  mkdirSync(join(directory, "node_modules", "citty"), { recursive: true });
  mkdirSync(join(directory, ".aws"));
  const files: Record<string, string> = {
    ".env": "AWS_ACCESS_KEY_ID=AKIAFROMDOTENV\nAWS_SECRET_ACCESS_KEY=fromdotenv\nKEYHOLE_HOME=/nowhere\n",
    ".env.local": "KEYHOLE_SOCKET=/nowhere\n",
    ".env.production": "KEYHOLE_SOCKET=/nowhere\n",
    "bunfig.toml": 'preload = ["./preload.js"]\nlogLevel = "debug"\n[run]\npreload = ["./preload.js"]\n',
    "preload.js": trap("RAN-preload"),
    "package.json": '{"name":"x","type":"commonjs","main":"preload.js","imports":{"#*":"./preload.js"}}\n',
    "tsconfig.json": '{"compilerOptions":{"paths":{"*":["./preload.js"]}}}\n',
    "jsconfig.json": '{"compilerOptions":{"paths":{"*":["./preload.js"]}}}\n',
    "index.js": trap("RAN-index"),
    "node_modules/citty/package.json": '{"name":"citty","main":"index.js"}\n',
    "node_modules/citty/index.js": trap("RAN-citty"),
    "aws-config": "[default]\nregion = eu-nowhere-1\n",
    "libc.so.6": "not a library\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return () => readdirSync(directory).filter((name) => name.startsWith("RAN-"));
}

test("a hostile working directory changes nothing for client, daemon and exec", async () => {
  await using machine = await createMachine();
  const hostile = join(machine.home, "work");
  const ran = makeHostile(hostile);
  const options = { cwd: hostile };
  await machine.addConfig("dev");
  const daemon = await startForeground(machine, options);
  await machine.keyhole("daemon add -n dev", options);
  expect(machine.sts.calls[0]).toMatchObject({ accessKeyId: machine.sts.root.accessKeyId });
  await machine.keyhole("daemon status", options);
  await machine.keyhole("whoami -n dev", options);
  await machine.keyhole("config list", options);
  const child = await machine.keyhole("exec -n dev -- env", options);
  expect(child).toContain("AWS_ACCESS_KEY_ID=ASIA");
  expect(child).not.toMatch(/AKIAFROMDOTENV|fromdotenv|nowhere/);
  daemon.kill("SIGTERM");
  expect(await daemon.exited).toBe(0);
  await machine.keyhole("daemon start", options);
  await machine.keyhole("exec --refresh -n dev -- true", options);
  expect(ran()).toEqual([]);
});

const canTrace = Bun.which("strace") !== null;

test.skipIf(!canTrace).each([
  ["export -n dev", 0],
  ["export -f credential-process -n dev", 0],
  ["whoami -n dev", 0],
  ["daemon status", 0],
  ["daemon start", 0],
  ["config list", 0],
  ["config get -n dev", 0],
  ["--help", 0],
  ["--version", 0],
  ["exec -n dev -- /bin/true", 0],
  ["export -n dev --nonsense", 2],
])("`keyhole %s` opens no file in the working directory", async (command, status) => {
  await using machine = await createMachine();
  const cwd = join(machine.home, "work");
  makeHostile(cwd);
  await machine.addConfig("dev");
  await machine.keyhole("daemon start");
  const trace = join(machine.home, "trace");
  const calls =
    "trace=open,openat,openat2,stat,lstat,newfstatat,statx,access,faccessat,faccessat2,readlink,readlinkat,execve";
  const { exitCode } = await machine.run(command.split(" "), {
    cwd,
    under: ["strace", "-f", "-o", trace, "-e", calls],
  });
  expect(exitCode).toBe(status);
  const lines = readFileSync(trace, "utf8").split("\n");
  expect(lines.length).toBeGreaterThan(5);
  // Below the directory by its whole path, or relative to it; a path relative to a descriptor is none of ours.
  const inside = lines.filter((line) => {
    const path = /^\d+ +\w+\((?:AT_FDCWD, )?"([^"]*)"/.exec(line)?.[1];
    return path !== undefined && (path.startsWith(cwd) || (path !== "" && !path.startsWith("/")));
  });
  expect(inside).toEqual([]);
});

test.each<[string, Record<string, string>]>([
  ["BUN_OPTIONS=--preload", { BUN_OPTIONS: "--preload ./preload.js" }],
  ["BUN_OPTIONS=--require", { BUN_OPTIONS: "-r ./preload.js" }],
  ["BUN_OPTIONS=--config", { BUN_OPTIONS: "--config=bunfig.toml" }],
  ["BUN_OPTIONS=--eval", { BUN_OPTIONS: "--eval require('./preload.js')" }],
  ["BUN_INSPECT_PRELOAD", { BUN_INSPECT_PRELOAD: "./preload.js" }],
  ["BUN_INSPECT", { BUN_INSPECT: "ws://127.0.0.1:0/x" }],
  ["NODE_OPTIONS", { NODE_OPTIONS: "--require ./preload.js" }],
  ["NODE_PATH", { NODE_PATH: "./node_modules" }],
])("%s in the environment runs no code", async (_, env) => {
  await using machine = await createMachine();
  const hostile = join(machine.home, "work");
  const ran = makeHostile(hostile);
  await machine.addConfig("dev");
  await machine.keyhole("daemon start");
  const { stdout, stderr, exitCode } = await machine.run(["export", "-f", "credential-process", "-n", "dev"], {
    cwd: hostile,
    env,
  });
  expect(ran()).toEqual([]);
  // Refused before anything happens, or not noticed at all; never half of it, and no debugger.
  if (exitCode === 0) expect(JSON.parse(stdout)).toHaveProperty("SecretAccessKey");
  else expect(stdout).toBe("");
  expect(stderr).not.toMatch(/ws:\/\/|[Ll]istening/);
});
