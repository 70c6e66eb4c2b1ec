// What an attacker may plant in a daemon's way, and who may not talk to it: files of the wrong kind, links, FIFOs,
// directories and peers of other users.
import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { dial, openDescriptors } from "./attacker.ts";
import {
  asNobody,
  canBeOthers,
  giveHomeToOrdinary,
  isRoot,
  NOBODY,
  publicExecutable,
  shell,
  startForeground,
} from "./daemons.ts";
import { createMachine, isAlive, type Machine, roleArn, until } from "./machine.ts";
import { type ErrorName, errors } from "../../src/errors.ts";
import { encode } from "../../src/wire/codec.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply, messages } from "../../src/wire/messages.ts";

/** Opens every door that file modes keep shut, so that the daemon alone is left to refuse. */
function openDoors({ home, paths }: Machine): void {
  for (const directory of [home, paths.home, dirname(paths.socket)]) fs.chmodSync(directory, 0o755);
  fs.chmodSync(paths.socket, 0o666);
}

const makeFifo = (path: string) => {
  fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  expect(Bun.spawnSync(["mkfifo", "-m", "600", path]).exitCode).toBe(0);
};

test.skipIf(!canBeOthers)(
  "another user is refused by the daemon where no file mode does it (E-144, A-037)",
  async () => {
    await using machine = await createMachine();
    using copy = publicExecutable();
    const { path: program } = copy;
    await machine.addConfig("dev");
    await machine.keyhole("daemon start");
    await machine.keyhole("daemon add -n dev");
    openDoors(machine);
    const words = ["-sp", machine.paths.socket];
    for (const command of [
      ["export", "-n", "dev"],
      ["daemon", "status"],
      ["daemon", "stop"],
      ["daemon", "list"],
    ]) {
      const result = await machine.run([...words, ...command], { under: asNobody, program });
      expect(result).toEqual({
        stdout: "",
        stderr:
          "keyhole: error: this socket answers its owner only\n" +
          "keyhole: hint: on the host, as its owner: keyhole grant add NAME --config CONFIG\n",
        exitCode: 9,
      });
    }
    const refused = machine.log().filter(({ event }) => event === "connection refused");
    expect(refused.length).toBe(4);
    expect(refused[0]).toMatchObject({ uid: NOBODY, gid: NOBODY });
    await machine.keyhole("daemon status");
  },
);

test.skipIf(!canBeOthers)("another user is stopped by the file modes, and is told so", async () => {
  await using machine = await createMachine();
  using copy = publicExecutable();
  const { path: program } = copy;
  await machine.keyhole("daemon start");
  const { stdout, stderr, exitCode } = await machine.run(["daemon", "status"], {
    under: asNobody,
    program,
    cwd: "/",
  });
  expect(stderr).toContain("is not permitted here (EACCES)");
  expect(stdout).toBe("");
  expect(exitCode).toBe(8);
});

const hasPython = Bun.which("python3") !== null;

test.skipIf(!canBeOthers || !hasPython)("another user's flood costs the owner nothing", async () => {
  await using machine = await createMachine();
  const daemon = await startForeground(machine, { under: shell("ulimit -n 64") });
  openDoors(machine);
  const before = openDescriptors(daemon.pid);
  // Opens a connection, says one byte, and never closes; 500 times.
  const flood = `import socket, sys, time
peers = []
for _ in range(500):
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(sys.argv[1])
    try: peer.send(b"{")
    except OSError: pass
    peers.append(peer)
print("done", flush=True)
time.sleep(1000)`;
  const attacker = Bun.spawn([...asNobody, "python3", "-I", "-c", flood, machine.paths.socket], {
    env: { PATH: "/usr/bin:/bin" },
    cwd: "/",
    stdout: "pipe",
    stderr: "inherit",
  });
  try {
    const { value } = await attacker.stdout.getReader().read();
    expect(new TextDecoder().decode(value)).toBe("done\n");
    const status = JSON.parse(await machine.keyhole("daemon status --json")) as { connections: number };
    expect(status.connections).toBe(1);
    await until(() => openDescriptors(daemon.pid) <= before);
  } finally {
    attacker.kill("SIGKILL");
  }
});

test.skipIf(!canBeOthers)("root in another user's home follows no link of that user's", async () => {
  await using machine = await createMachine();
  const victim = join(machine.home, "victim");
  const home = join(machine.home, "theirs");
  for (const directory of [home, victim, join(victim, "configs")]) fs.mkdirSync(directory);
  fs.chownSync(home, NOBODY, NOBODY);
  fs.symlinkSync(victim, join(home, ".keyhole"));
  fs.lchownSync(join(home, ".keyhole"), NOBODY, NOBODY);
  const env = { HOME: home };
  for (const command of ["config add -n one --role-arn arn:aws:iam::111122223333:role/one", "daemon start"]) {
    const { exitCode, stderr } = await machine.run(command.split(" "), { env });
    expect([command, exitCode]).toEqual([command, errors["unsafe-path"].exit]);
    expect(stderr).toContain(`${home}/.keyhole belongs to another user`);
  }
  expect(fs.readdirSync(victim, { recursive: true })).toEqual(["configs"]);
});

test("a socket directory that is swapped for a link leads nobody's daemon out of its tree", async () => {
  await using machine = await createMachine();
  await machine.keyhole("daemon start");
  const first = machine.daemonPid()!;
  const elsewhere = join(machine.home, "elsewhere");
  const directory = dirname(machine.paths.socket);
  fs.mkdirSync(elsewhere, { mode: 0o700 });
  fs.renameSync(directory, `${directory}.moved`);
  fs.symlinkSync(elsewhere, directory);
  try {
    const { stderr, exitCode } = await machine.run(["daemon", "start"]);
    expect(stderr).toContain(`${directory} is a link or a file, not a directory`);
    expect(exitCode).toBe(1);
    expect(fs.readdirSync(elsewhere)).toEqual([]);

    // What stands at the old path is not the first one's, and stays.
    fs.writeFileSync(join(elsewhere, "daemon.sock"), "precious");
    process.kill(first, "SIGTERM");
    await until(() => !isAlive(first));
    expect(fs.readFileSync(join(elsewhere, "daemon.sock"), "utf8")).toBe("precious");
  } finally {
    if (isAlive(first)) process.kill(first, "SIGKILL");
  }
});

test.each<[string, (machine: Machine) => string, string]>([
  ["a lock that is a FIFO", ({ paths }) => (makeFifo(paths.lock), paths.lock), "the lock file"],
  ["a log that is a FIFO", ({ paths }) => (makeFifo(paths.log), paths.log), "the log file"],
  [
    "a lock that is a link",
    ({ home, paths }) => {
      fs.mkdirSync(dirname(paths.lock), { recursive: true, mode: 0o700 });
      fs.writeFileSync(join(home, "victim"), "precious");
      fs.symlinkSync(join(home, "victim"), paths.lock);
      return paths.lock;
    },
    "the lock file",
  ],
  [
    "a log that is a link",
    ({ home, paths }) => {
      fs.mkdirSync(dirname(paths.log), { recursive: true, mode: 0o700 });
      fs.writeFileSync(join(home, "victim"), "precious");
      fs.symlinkSync(join(home, "victim"), paths.log);
      return paths.log;
    },
    "the log file",
  ],
  [
    "a socket that is a link to a listening one",
    ({ home, paths }) => {
      fs.mkdirSync(dirname(paths.socket), { recursive: true, mode: 0o700 });
      fs.symlinkSync(join(home, "other.sock"), paths.socket);
      return paths.socket;
    },
    "occupied by a file that is not a socket",
  ],
])("start refuses %s, by name, and touches nothing", async (_, plant, message) => {
  await using machine = await createMachine();
  const planted = plant(machine);
  const { stderr, exitCode } = await machine.run(["daemon", "start"]);
  expect(stderr).toContain(message);
  expect(stderr).toContain(planted);
  expect(exitCode).toBe(1);
  const victim = join(machine.home, "victim");
  if (fs.existsSync(victim)) expect(fs.readFileSync(victim, "utf8")).toBe("precious");
  expect(fs.lstatSync(planted).isFile()).toBe(false);
  // Neither of these waits for whoever holds the other end of a FIFO.
  await machine.run(["daemon", "logs"]);
  await machine.run(["daemon", "kill"]);
  fs.rmSync(planted);
});

test.each<[string, (machine: Machine, path: string) => void]>([
  ["is a FIFO", (_, path) => makeFifo(path)],
  ["is a directory", (_, path) => fs.mkdirSync(path)],
  ["can be written by others", (_, path) => fs.chmodSync(path, 0o666)],
  [
    "leads to another user's file",
    (machine, path) => {
      if (!isRoot) return fs.chmodSync(path, 0o666);
      fs.rmSync(path);
      const foreign = join(machine.home, "foreign.yaml");
      fs.writeFileSync(foreign, `AssumeRole:\n  RoleArn: ${roleArn("foreign")}\n`, { mode: 0o644 });
      fs.chownSync(foreign, NOBODY, NOBODY);
      fs.symlinkSync(foreign, path);
    },
  ],
  [
    "leads to a device",
    (_, path) => {
      fs.rmSync(path);
      fs.symlinkSync("/dev/zero", path);
    },
  ],
])("a config that %s is not assumed", async (title, plant) => {
  await using machine = await createMachine({ configs: ["dev"] });
  const path = join(machine.paths.configs, "dev.yaml");
  if (title.startsWith("is")) fs.rmSync(path);
  await machine.keyhole("daemon start");
  plant(machine, path);
  const { stdout, stderr, exitCode } = await machine.run(["export", "-n", "dev"]);
  expect(stderr).toStartWith("keyhole: error: ");
  expect(stdout).toBe("");
  expect(exitCode).toBe(1);
  expect(machine.sts.count()).toBe(0);
});

test("a socket that somebody else made before is not taken over while it answers", async () => {
  await using machine = await createMachine();
  fs.mkdirSync(dirname(machine.paths.socket), { recursive: true, mode: 0o700 });
  let bytes = 0;
  const squatter = Bun.listen({
    unix: machine.paths.socket,
    socket: { data: (_, chunk) => void (bytes += chunk.length) },
  });
  try {
    const { stderr, exitCode } = await machine.run(["--daemon"]);
    expect(stderr).toContain("something already answers at");
    expect(exitCode).toBe(1);
    expect(bytes).toBe(0);
    (await dial(machine.paths.socket)).close();
  } finally {
    squatter.stop(true);
  }
});

/** An error reply, as Python takes bytes. */
function hexOf(kind: ErrorName): string {
  const reply = encode(errorReply, { number: errors[kind].number, message: "none", hint: undefined });
  return Buffer.from(encodeFrame(ERROR_NUMBER, reply)).toString("hex");
}

/** The start of a process of another user, which listens where NOBODY may look for a daemon. */
const SQUAT = `import os, socket, sys
os.umask(0)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], int(sys.argv[2], 8))
listener.listen()
print("up", flush=True)
`;

/** A directory where anybody may make a socket, and a stranger's in it. */
async function squatIn(machine: Machine, script: string, mode = "666") {
  giveHomeToOrdinary(machine);
  const directory = join(machine.home, "shared");
  fs.mkdirSync(directory);
  fs.chmodSync(directory, 0o777);
  const socket = join(directory, "daemon.sock");
  fs.chmodSync(machine.home, 0o755);
  // In NOBODY's group, so that a socket of mode 0660 is open, too.
  const stranger = ["setpriv", `--reuid=${NOBODY - 1}`, `--regid=${NOBODY}`, "--clear-groups"];
  const squatter = Bun.spawn([...stranger, "python3", "-I", "-c", SQUAT + script, socket, mode], {
    env: { PATH: "/usr/bin:/bin" },
    cwd: "/",
    stdout: "pipe",
    stderr: "inherit",
  });
  const program = publicExecutable();
  await until(() => fs.existsSync(socket));
  return {
    socket,
    /** As NOBODY. */
    run: (words: readonly string[], env = {}) => machine.run(words, { under: asNobody, program: program.path, env }),
    received: () => new Response(squatter.stdout).text(),
    [Symbol.dispose]() {
      squatter.kill("SIGKILL");
      program.remove();
    },
  };
}

test.skipIf(!canBeOthers || !hasPython)("source credentials are not sent to another user's process", async () => {
  await using machine = await createMachine();
  using squat = await squatIn(
    machine,
    `peer, _ = listener.accept()
peer.recv(65536)
peer.sendall(bytes.fromhex("${hexOf("not-a-grant")}"))
peer, _ = listener.accept()
print(peer.recv(65536), flush=True)`,
  );
  const { stderr, exitCode } = await squat.run(["-sp", squat.socket, "export", "-n", "dev"]);
  expect(stderr).toContain(`belongs to another user (uid ${NOBODY - 1})`);
  expect(exitCode).toBe(1);
  expect(await squat.received()).toBe("up\nb''\n");
});

describe.skipIf(!canBeOthers || !hasPython)("credentials of another user's process are not taken", () => {
  const line = new TextEncoder().encode('{"Version":1,"AccessKeyId":"ASIAIMPOSTOR","SecretAccessKey":"s"}\n');
  const body = encode(messages.Vend.response, { config: "dev", region: undefined, line });
  const vended = Buffer.from(encodeFrame(messages.Vend.number, body)).toString("hex");
  const impostor = `while True:
    peer, _ = listener.accept()
    while request := peer.recv(65536):
        peer.sendall(bytes.fromhex("${vended}" if request[5] == ${messages.Vend.number} else "${hexOf("not-a-grant")}"))`;
  const formats = ["json", "credential-process"];

  test.each(["660", "666"])("at a socket of mode %s", async (mode) => {
    await using machine = await createMachine();
    using squat = await squatIn(machine, impostor, mode);
    for (const format of formats) {
      for (const env of [{}, { KEYHOLE_SHARED_SOCKET: squat.socket }]) {
        const words = ["export", "--format", format, "-n", "dev"];
        const results = [
          await squat.run(["-sp", squat.socket, ...words], env),
          await squat.run(words, { ...env, KEYHOLE_SOCKET: squat.socket }),
        ];
        for (const { stdout, exitCode } of results)
          expect({ format, env, stdout, exitCode }).toMatchObject({ stdout: "", exitCode: 1 });
      }
    }
  });
});

test.skipIf(!canBeOthers || !hasPython)("root's keys are not offered to another user's process", async () => {
  await using machine = await createMachine();
  const { Hello, List } = messages;
  const hello = encodeFrame(Hello.number, encode(Hello.response, { version: "0", pid: 1 })).toHex();
  using squat = await squatIn(
    machine,
    `while True:
  peer, _ = listener.accept()
  while request := peer.recv(65536):
    print(request[5], request, flush=True)
    if request[5] == ${List.number}: sys.exit()
    peer.sendall(bytes.fromhex("${hello}" if request[5] == ${Hello.number} else "${hexOf("not-a-grant")}"))`,
  );
  const { exitCode } = await machine.run(["-sp", squat.socket, "daemon", "list"]);
  expect(exitCode).not.toBe(0);
  const received = await squat.received();
  expect(received).toContain(`\n${List.number} `);
  expect(received).not.toContain(machine.sts.root.secretAccessKey);
});
