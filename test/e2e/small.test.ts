// The small executable beside the full one, in one directory of a grant: both say the same, byte by byte.
import { chmodSync, copyFileSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import manifest from "../../package.json" with { type: "json" };
import { linkSmall } from "../../src/build/express.ts";
import type { Cpu } from "../../src/build/vendor/packages.ts";
import { errors } from "../../src/errors.ts";
import { encode } from "../../src/wire/codec.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply, messages } from "../../src/wire/messages.ts";
import { runnerOf } from "../build/express/alone.ts";
import { type Result, resultOf } from "../processes.ts";
import { makeFilter, underFilter } from "../seccomp.ts";
import { loadVectors } from "../wire/vectors.ts";
import { executable } from "./machine.ts";

const isHere = process.platform === "linux" && process.env["KEYHOLE_TEST_EXECUTABLE"] === undefined;

const cpu = process.arch as Cpu;
const otherCpu = cpu === "x64" ? "arm64" : "x64";
/** Where qemu-user is there. */
const emulator = runnerOf(otherCpu);

const line = new TextEncoder().encode('{"Version":1}\n');
const named = { grant: "agent", config: "dev", region: "eu-west-1" } as const;
const fetched = (own: Uint8Array = line, region: string | undefined = named.region) =>
  encodeFrame(messages.Fetch.number, encode(messages.Fetch.response, { ...named, region, line: own }));
const refusal = (number: number, message = "revoked", hint?: string) =>
  encodeFrame(ERROR_NUMBER, encode(errorReply, { number, message, hint }));

/** What answers: bytes, or one of several for each connection. */
type Served = Uint8Array | readonly (Uint8Array | "hang up")[] | "hang up" | "silence" | "nobody";

/** A grant's directory, with both executables in it. */
function createGrant(served: Served = fetched(), below = "") {
  const root = mkdtempSync(join(tmpdir(), "keyhole-small-"));
  const directory = join(root, below);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "aws-config"), "[default]\n");
  const full = join(directory, "keyhole");
  const small = join(directory, "small");
  const foreign = join(directory, "foreign");
  try {
    linkSync(executable, full);
  } catch {
    copyFileSync(executable, full);
  }
  writeFileSync(small, linkSmall(cpu, manifest.version), { mode: 0o755 });
  writeFileSync(foreign, linkSmall(otherCpu, manifest.version), { mode: 0o755 });
  let asked = 0;
  const answers: readonly (Uint8Array | "hang up" | "silence")[] =
    served === "nobody" ? [] : served instanceof Uint8Array || typeof served === "string" ? [served] : served;
  const socket = join(directory, "sock");
  // A path of any length: the kernel takes the one below the descriptor's own.
  const server =
    served !== "nobody" &&
    Bun.listen({
      unix: socket,
      socket: {
        data: (peer) => {
          const answer = answers[Math.min(asked++, answers.length - 1)]!;
          if (answer === "hang up") peer.end();
          else if (answer !== "silence") send(peer, answer);
        },
        drain: (peer) => flushTo(peer),
      },
    });
  if (server) chmodSync(socket, 0o666);
  const run = (program: string, words: readonly string[] = [], { shell = "", env = {} }: RunOptions = {}) =>
    resultOf(
      Bun.spawn(["/bin/sh", "-c", `${shell}\nexec "$0" "$@"`, program, ...words], {
        env: { HOME: "/nowhere", PATH: "/usr/bin:/bin", ...env },
        cwd: root,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      }),
    );
  return {
    root,
    directory,
    socket,
    full,
    small,
    foreign,
    run,
    asked: () => asked,
    [Symbol.dispose]() {
      if (server) server.stop(true);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

interface RunOptions {
  /** What a shell does before it runs it. */
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const unsent = new WeakMap<object, Uint8Array>();

function send(peer: Bun.Socket, bytes: Uint8Array): void {
  const sent = Math.max(0, peer.write(bytes));
  if (sent < bytes.length) unsent.set(peer, bytes.slice(sent));
}

function flushTo(peer: Bun.Socket): void {
  const bytes = unsent.get(peer);
  unsent.delete(peer);
  if (bytes !== undefined) send(peer, bytes);
}

/** Runs both, and the small one of the other CPU, and returns what they agree on. */
async function both(served: Served, words: readonly string[] = [], options: RunOptions = {}): Promise<Result> {
  const results = await Promise.all(
    (["full", "small", ...(emulator ? (["foreign"] as const) : [])] as const).map(async (which) => {
      using grant = createGrant(served);
      const own = words.map((word) => word.replace("SOCKET", grant.socket));
      const env = Object.fromEntries(
        Object.entries(options.env ?? {}).map(([name, value]) => [name, value.replace("SOCKET", grant.socket)]),
      );
      const emulated = which === "foreign" ? emulator! : [];
      return await grant.run("env", [...emulated, grant[which], ...own], { ...options, env });
    }),
  );
  const [full, ...small] = results as [Result, ...Result[]];
  expect(small).toEqual(small.map(() => full));
  return full;
}

const answered = { stdout: '{"Version":1}\n', stderr: "", exitCode: 0 };
const exported = ["export", "--format", "credential-process"];

describe.skipIf(!isHere)("the small executable and the full one", () => {
  test.each([
    ["no words", []],
    ["the words that mean the same", exported],
    ["short ones", ["export", "-f", "credential-process"]],
    ["values behind =", ["export", "--format=credential-process", "-n=agent"]],
    ["the grant's name", [...exported, "-n", "agent"]],
    ["the config's name", ["export", "--name", "dev", "--format", "credential-process"]],
    ["the socket by an option", ["--socket-path", "SOCKET", ...exported]],
  ])("answer %s", async (_, words) => {
    expect(await both(fetched(), words)).toEqual(answered);
  });

  test.each([
    ["no region", fetched(line, undefined)],
    ["more than one frame", Buffer.concat([fetched(), fetched()])],
    ["a line of 70 KB", fetched(new Uint8Array(70_000).fill(120))],
    ["a line of 1 MB", fetched(new Uint8Array(1_000_000).fill(120))],
    ["a line of nothing", fetched(new Uint8Array(0))],
  ])("print an answer with %s", async (_, served) => {
    expect(await both(served)).toMatchObject({ stderr: "", exitCode: 0 });
  });

  test.each(["ag", "agents", "de", "devs", "", "x".repeat(300), "ä"])("refuse the name %j", async (name) => {
    expect(await both(fetched(), [...exported, `--name=${name}`])).toMatchObject({ stdout: "", exitCode: 9 });
  });

  test("KEYHOLE_SOCKET names the socket, and settings decide nothing", async () => {
    expect(await both(fetched(), exported, { env: { KEYHOLE_SOCKET: "SOCKET" } })).toEqual(answered);
    const env = {
      KEYHOLE_CLIENT_TIMEOUT: "5",
      KEYHOLE_MAX_DAEMON_CACHE_SIZE: "3",
      KEYHOLE_AUTOSTART: "0",
      KEYHOLE_SOCKET: "",
      AWS_ENDPOINT_URL: "http://127.0.0.1:9",
    };
    expect(await both(fetched(), [], { env })).toEqual(answered);
    using grant = createGrant();
    const nonsense = { KEYHOLE_CLIENT_TIMEOUT: "x", KEYHOLE_DISABLE: "x", KEYHOLE_SOCKET_MODE: "x" };
    expect(await grant.run(grant.small, [], { env: nonsense })).toEqual(answered);
  });

  test.each(Object.entries(errors))("say a refusal, with the status of %s", async (_, { number, exit }) => {
    // Of one that is being replaced they ask again.
    const isPassing = number === errors["shutting-down"].number;
    const served = isPassing ? [refusal(number), "hang up" as const, fetched()] : refusal(number);
    expect(await both(served)).toMatchObject(isPassing ? answered : { stdout: "", exitCode: exit });
    if (!isPassing) expect(await both(refusal(number, "no", "ask"))).toMatchObject({ stdout: "", exitCode: exit });
  });

  test.each([
    ["of a number that is none", refusal(999)],
    ["of the number 0", refusal(0)],
    ["of several lines", refusal(3, "one\n  two\n\n\u00a0\u3000\tthree\n", "a\nb\n")],
    [
      "with controls",
      refusal(3, "\u001b[31m\u0007\u0085\r\n\u202e x\u2028\u2066\u061c\u200f\ttab", "\u0000\u007f\u009f"),
    ],
    ["with every kind of letter", refusal(3, "aäß€\u{1f600}\ufeff\u0800\uffff\u{10ffff}", "ü")],
    ["of nothing", refusal(3, "", "")],
    ["of 60 KB", refusal(3, "\u202e".repeat(20_000), "x".repeat(60_000))],
    ["with bytes that are no UTF-8", refusal(3, "abc").with(10, 0xff)],
    ["with half a surrogate pair", refusal(3, "\u0800").with(10, 0xed).with(11, 0xa0)],
    ["that is longer than it says", Buffer.concat([refusal(3).with(3, refusal(3).length - 3), Uint8Array.of(1)])],
    ["that says another version", refusal(3).with(4, 2)],
  ])("say a refusal %s", async (_, served) => {
    expect(await both(served)).toMatchObject({ stdout: "" });
  });

  test.each(loadVectors().flatMap(({ name, from, bytes }) => (from === "daemon" ? [[name, bytes] as const] : [])))(
    "make the same of the vector %s",
    async (_, bytes) => {
      // What is cut waits for its rest, and that is another test.
      const isCut = bytes.length < 4 || bytes.length < new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) + 4;
      if (!isCut) await both(bytes);
    },
    20_000,
  );

  test("find nobody, or one who hangs up", async () => {
    const status = errors.unreachable.exit;
    expect(await both("nobody")).toMatchObject({ stdout: "", exitCode: status });
    expect(await both("hang up")).toMatchObject({ stdout: "", exitCode: status });
  }, 20_000);

  test("ask again where a daemon is being replaced, and not once more where a grant took the request", async () => {
    expect(await both(["hang up", "hang up", fetched()])).toEqual(answered);
    using refusing = createGrant(refusal(32));
    await refusing.run(refusing.small);
    expect(refusing.asked()).toBe(1);
  });

  test("give up after 20 s of silence, or of a part of an answer", async () => {
    const status = errors.timeout.exit;
    const silent = both("silence");
    expect(await both(fetched().subarray(0, 20))).toMatchObject({ stdout: "", exitCode: status });
    expect(await silent).toMatchObject({ stdout: "", exitCode: status });
  }, 60_000);

  test.each([
    ["stdin is closed", "exec <&-", 0],
    ["stdin and stderr are closed", "exec <&- 2>&-", 0],
    ["stdout is closed", "exec >&-", 1],
    ["the disk is full", "exec >/dev/full", 1],
  ])("where %s", async (_, shell, exitCode) => {
    expect(await both(fetched(), [], { shell })).toMatchObject({ exitCode });
  });

  test("leave a reader that has gone alone", async () => {
    using grant = createGrant(fetched(new Uint8Array(900_000).fill(120)));
    for (const program of [grant.full, grant.small]) {
      const ended = await grant.run("sh", ["-c", `{ trap '' PIPE; "$0"; echo $? >&2; } | true`, program]);
      expect(ended.stderr).toBe("141\n");
    }
  });

  test("answer nothing where keyhole itself walks through a profile", async () => {
    for (const chain of ["!", "dev@/x,!", "!,,"]) {
      expect(await both(fetched(), [], { env: { KEYHOLE_CHAIN: chain } })).toMatchObject({ exitCode: 1 });
    }
    expect(await both(fetched(), [], { env: { KEYHOLE_CHAIN: "dev@/x!" } })).toEqual(answered);
  });

  test.skipIf(Bun.which("bwrap") === null).each(["socket", "connect"] as const)(
    "a sandbox that forbids %s(2) is told so, as EPERM and as EACCES (needs bwrap)",
    async (call) => {
      for (const below of ["mount", `g/${"A".repeat(22)}`]) {
        for (const errno of [1, 13]) {
          using grant = createGrant(fetched(), below);
          const filter = join(grant.root, "filter");
          writeFileSync(filter, makeFilter(call, errno));
          const sandbox = underFilter(["bwrap", "--bind", "/", "/", "--proc", "/proc", "--dev", "/dev"], filter);
          const [full, small] = await Promise.all(
            [grant.full, grant.small].map((program) => grant.run("sh", ["-c", `exec ${sandbox}`, "sh", program])),
          );
          expect(small).toEqual(full);
          expect(small).toMatchObject({ stdout: "", exitCode: 8 });
        }
      }
    },
  );

  test("say the same version", async () => {
    expect(await both("nobody", ["--version"])).toMatchObject({ stdout: `keyhole ${manifest.version}\n` });
  });
});

describe.skipIf(!isHere)("the small executable", () => {
  test.each([
    ["another command", ["daemon", "status"]],
    ["another format", ["export", "-f", "json"]],
    ["no format", ["export"]],
    ["an unknown option", [...exported, "--verbose"]],
    ["an option twice", [...exported, "-n", "a", "-n", "b"]],
    ["a name without a value", [...exported, "-n"]],
    ["more words than it has room for", Array.from({ length: 200 }, () => "x")],
    ["an empty word", [""]],
  ])("has one way for %s, and asks nobody", async (_, words) => {
    using grant = createGrant();
    const { stdout, stderr, exitCode } = await grant.run(grant.small, words);
    expect([stdout, exitCode, grant.asked()]).toEqual(["", 2, 0]);
    expect(stderr.split("\n")).toEqual([
      expect.stringMatching(/^keyhole: error: /),
      "keyhole: hint: on the host: keyhole grant set NAME --executable full",
      "",
    ]);
  });

  test.each(["--help", "-h"])("has a short %s", async (word) => {
    using grant = createGrant();
    const { stdout, exitCode } = await grant.run(grant.small, [word]);
    expect(stdout).toStartWith(`keyhole ${manifest.version}, the small executable of a grant\n`);
    expect([exitCode, grant.asked()]).toEqual([0, 0]);
  });

  test("finds its directory by the path it was started with, by a link, by a name in PATH", async () => {
    using grant = createGrant();
    symlinkSync(grant.small, join(grant.root, "link"));
    mkdirSync(join(grant.root, "bin"));
    symlinkSync(grant.small, join(grant.root, "bin", "keyhole"));
    expect(await grant.run("./small")).toEqual(answered);
    expect(await grant.run("./link")).toEqual(answered);
    expect(await grant.run("keyhole", [], { env: { PATH: join(grant.root, "bin") }, shell: "" })).toEqual(answered);
    copyFileSync(grant.small, join(grant.root, "bin", "alone"));
    const alone = await grant.run(join(grant.root, "bin", "alone"));
    expect(alone).toMatchObject({ stdout: "", exitCode: 2 });
    expect(alone.stderr).toContain("no grant's socket lies beside this executable");
  });

  test("reaches a socket at a path that is longer than the kernel takes", async () => {
    const below = ["x".repeat(60), "y".repeat(60), "z".repeat(60)].join("/");
    using grant = createGrant(fetched(), below);
    expect(await grant.run(grant.small)).toEqual(answered);
  });

  test.each(["ulimit -v 4096", "ulimit -s 64", "ulimit -n 4"])("has room under %s", async (shell) => {
    using grant = createGrant();
    expect(await grant.run(grant.small, [], { shell })).toEqual(answered);
  });

  test("says so where there is no memory for an answer that is longer than any", async () => {
    using grant = createGrant(fetched(new Uint8Array(70_000).fill(120)));
    const { stdout, stderr, exitCode } = await grant.run(grant.small, [], { shell: "ulimit -v 900" });
    expect([stdout, exitCode]).toEqual(["", 1]);
    expect(stderr).toBe("keyhole: error: there is no memory for the answer\nkeyhole: hint: ulimit -v 4096\n");
  });
});
