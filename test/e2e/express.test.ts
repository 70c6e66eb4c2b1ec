// What is answered before Bun starts, and what it hands over. Its cases are those of test/client/express.test.ts.
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { encode } from "../../src/wire/codec.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply, messages } from "../../src/wire/messages.ts";
import { createMachine, executable, type Machine, until } from "./machine.ts";

const isHere = process.platform === "linux" && process.env["KEYHOLE_TEST_EXECUTABLE"] === undefined;
const ask = ["export", "-f", "credential-process", "-n", "one"];

async function createServed() {
  const machine = await createMachine();
  await machine.addConfig("one");
  await machine.keyhole("daemon start");
  await machine.keyhole("daemon add -n one");
  return machine;
}

/** In as little address space as the file itself needs. */
function narrow(words: readonly string[]): string[] {
  return ["sh", "-c", 'ulimit -v 130000; exec "$@"', "sh", executable, ...words];
}

function run(machine: Machine, words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const options = { cwd: `${machine.home}/work`, stdin: "ignore", stderr: "pipe" } as const;
  const { exitCode, stdout, stderr } = Bun.spawnSync([...words], {
    ...options,
    env: { ...machine.environment, ...env },
  });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

function fetchedOf(line: Uint8Array) {
  const body = encode(messages.Fetch.response, { grant: "agent", config: "one", region: undefined, line });
  return encodeFrame(messages.Fetch.number, body);
}

/** Bun makes a descriptor wait that it hands to a child. */
const unwaiting =
  "import fcntl,os,sys; fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK); os.execv(sys.argv[1], sys.argv[1:])";

/** A grant's directory, whose daemon gives one answer. */
function serveGrant(machine: Machine, answer: Uint8Array) {
  const directory = join(machine.home, "grant");
  fs.mkdirSync(directory);
  fs.writeFileSync(join(directory, "aws-config"), "[default]\n");
  const program = join(directory, "keyhole");
  try {
    fs.linkSync(executable, program);
  } catch {
    fs.cpSync(executable, program);
  }
  let asked = 0;
  const server = Bun.listen({
    unix: join(directory, "sock"),
    socket: {
      data: (peer) => {
        asked += 1;
        const sent = peer.write(answer);
        if (sent < answer.length) throw new Error("the answer does not fit into the socket");
      },
    },
  });
  fs.chmodSync(join(directory, "sock"), 0o666);
  return { program, asked: () => asked, [Symbol.dispose]: () => server.stop(true) };
}

describe.skipIf(!isHere)("before Bun starts", () => {
  test("a session that is there is answered where Bun has no room to start", async () => {
    await using machine = await createServed();
    const answered = run(machine, narrow(ask));
    expect(answered).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(answered.stdout)).toMatchObject({ Version: 1 });
    expect(run(machine, narrow(["--version"])).exitCode).not.toBe(0);
  });

  test("no option of the runtime reaches it, and no answer from outside", async () => {
    await using machine = await createServed();
    const env = { BUN_JSC_useWebAssembly: "nonsense", BUN_JSC_maxPerThreadStackUsage: "1", KEYHOLE_ANSWER: "0,1" };
    expect(run(machine, [executable, "--version"], env)).toEqual(run(machine, [executable, "--version"]));
    expect(run(machine, [executable, ...ask], env)).toEqual(run(machine, [executable, ...ask]));
    const printed = run(machine, [executable, "exec", "-n", "one", "--", "env"], env).stdout;
    expect(printed).toContain("AWS_ACCESS_KEY_ID=");
    expect(printed).not.toContain("KEYHOLE_ANSWER");
  });

  test.each([
    ["stdin", "<&-"],
    ["stderr", "2>&-"],
  ])("with %s closed the answer goes to stdout", async (_, redirection) => {
    await using machine = await createServed();
    const closed = run(machine, ["sh", "-c", `exec "$@" ${redirection}`, "sh", executable, ...ask]);
    expect(closed).toEqual(run(machine, [executable, ...ask]));
  });

  const line = new TextEncoder().encode(`{"Version":1,"padding":"${"x".repeat(70_000)}"}\n`);
  const fetched = fetchedOf(line);
  const revoked = encode(errorReply, { number: 32, message: "this grant was revoked", hint: "ask" });

  test.each([
    ["a refusal", encodeFrame(ERROR_NUMBER, revoked), { exitCode: 9, stdout: "" }],
    ["an answer that is too long for it", fetched, { exitCode: 0, stdout: new TextDecoder().decode(line) }],
  ])("%s of a grant is handed on, and the grant is asked once", async (_, answer, expected) => {
    await using machine = await createMachine();
    using grant = serveGrant(machine, answer);
    const child = Bun.spawn([grant.program], {
      env: machine.environment,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect({ exitCode, stdout }).toEqual(expected);
    if (exitCode !== 0) expect(stderr).toContain("keyhole: error: this grant was revoked");
    expect(grant.asked()).toBe(1);
  });

  test.skipIf(Bun.which("python3") === null)(
    "a pipe that is nearly full and does not wait gets the line once",
    async () => {
      await using machine = await createMachine();
      const short = new TextEncoder().encode(`${"x".repeat(7000)}\n`);
      using grant = serveGrant(machine, fetchedOf(short));
      const fifo = join(machine.home, "fifo");
      Bun.spawnSync(["mkfifo", fifo]);
      const pipe = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
      fs.writeSync(pipe, new Uint8Array(61_440));
      const child = Bun.spawn(["python3", "-c", unwaiting, grant.program], {
        env: machine.environment,
        stdin: "ignore",
        stdout: pipe,
        stderr: "pipe",
      });
      const written = () => Number(/^wchar: (\d+)$/m.exec(fs.readFileSync(`/proc/${child.pid}/io`, "latin1"))?.[1]);
      // What it found room for.
      await until(() => written() >= 4096);
      const chunk = new Uint8Array(1_048_576);
      let length = -61_440;
      const drain = () => {
        try {
          length += fs.readSync(pipe, chunk);
        } catch {
          // Nothing is there yet.
        }
        return child.exitCode !== null;
      };
      await until(drain);
      drain();
      fs.closeSync(pipe);
      expect({ exitCode: child.exitCode, length, asked: grant.asked() }).toEqual({
        exitCode: 0,
        length: short.length,
        asked: 1,
      });
    },
  );
});
