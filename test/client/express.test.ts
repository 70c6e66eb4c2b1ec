import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { askExpress, lane } from "../../src/client/express.ts";
import { isConfigName } from "../../src/config/name.ts";
import type { Cpu } from "../../src/build/vendor/packages.ts";
import { errors } from "../../src/errors.ts";
import { resolvePaths } from "../../src/paths.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import { encodeFrame, FrameDecoder, RESPONSE_LIMIT } from "../../src/wire/frame.ts";
import { HANDED_OVER, runnerOf, writeAlone } from "../build/express/alone.ts";
import { ERROR_NUMBER, errorReply, messages } from "../../src/wire/messages.ts";

let directory: string;
let socket: string;
let server: Bun.UnixSocketListener<undefined> | undefined;
let asked: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-express-"));
  socket = join(directory, "s");
  asked = [];
});

afterEach(() => {
  server?.stop(true);
  server = undefined;
  rmSync(directory, { recursive: true });
});

const words = (text: string) => text.replace("SOCKET", socket).split(" ");

type Answer = Awaited<ReturnType<typeof askExpress>>;
type Ask = (words: readonly string[], environment: Record<string, string>, executable: string) => Promise<Answer>;

const cpus = (["x64", "arm64"] as const).filter((cpu) => runnerOf(cpu) !== undefined);

/** Both lanes pass the same cases: the one before Bun starts (src/build/express), and the one behind it. */
const lanes: Readonly<Record<string, Ask>> = {
  "after Bun starts": askExpress,
  ...Object.fromEntries(cpus.map((cpu) => [`before Bun starts, on ${cpu}`, askerBefore(cpu)])),
};

/** What it hands on of a grant's refusal shows in the compiled executable alone (test/e2e/express.test.ts). */
function askerBefore(cpu: Cpu): Ask {
  return async (own, environment, executable) => {
    if (executable !== "") mkdirSync(dirname(executable), { recursive: true });
    writeAlone(executable, cpu);
    const run = Bun.spawn([...runnerOf(cpu)!, executable, ...own], {
      env: environment,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [printed, status] = await Promise.all([run.stdout.bytes(), run.exited]);
    expect([0, HANDED_OVER]).toContain(status);
    expect(printed.length > 0).toBe(status === 0);
    return status === 0 ? { line: printed } : undefined;
  };
}

describe.each(Object.entries(lanes))("%s", (_lane, ask) => {
  /** The line, where one was given for these words by an executable that lies in no grant's directory. */
  async function vendExpress(own: readonly string[], environment: Record<string, string>) {
    const answer = await ask(own, environment, join(directory, "nowhere", "keyhole"));
    if (answer === undefined) return undefined;
    if ("refusal" in answer) throw new Error("no grant was asked");
    return answer.line;
  }

  const line = new TextEncoder().encode('{"Version":1}\n');

  /** A daemon that takes the request apart with the codecs proper, and answers these bytes. */
  function serve(answer: Uint8Array = response("eu-west-1")) {
    server = Bun.listen({
      unix: socket,
      socket: {
        data: (peer, chunk) => {
          for (const { message, body } of new FrameDecoder(RESPONSE_LIMIT).push(chunk)) {
            asked.push(`${message} ${decode(messages.Vend.request, body).config}`);
          }
          peer.write(answer);
        },
      },
    });
    chmodSync(socket, 0o600);
  }

  function response(region: string | undefined): Uint8Array {
    return encodeFrame(messages.Vend.number, encode(messages.Vend.response, { config: "dev", region, line }));
  }

  const question = "--socket-path SOCKET export --format credential-process -n dev";

  test.each([
    ["with a region", "eu-west-1"],
    ["without a region", undefined],
  ])("a session that is there is answered, %s", async (_, region) => {
    serve(response(region));
    expect(await vendExpress(words(question), {})).toEqual(line);
    expect(asked).toEqual([`${messages.Vend.number} dev`]);
  });

  test.each([
    "export --socket-path SOCKET --format credential-process -n dev",
    "export -n dev -f credential-process -sp SOCKET",
    "export --name dev --format credential-process --socket-path SOCKET",
  ])("order and spelling do not matter: %s", async (text) => {
    serve();
    expect(await vendExpress(words(text), {})).toEqual(line);
  });

  test.each(["dev", "-n", "A-1_b", "x".repeat(128), "", " ", "a.b", "a/b", "ä", "a\n", "x".repeat(129)])(
    "%j is asked for if it is the name of a config, and only then",
    async (name) => {
      serve();
      const isAsked = (await vendExpress([...words(question).slice(0, -1), name], {})) !== undefined;
      expect(isAsked).toBe(isConfigName(name));
      expect(asked).toEqual(isAsked ? [`${messages.Vend.number} ${name}`] : []);
    },
  );

  test("a name of 128 characters fits, and is sent as the codecs send it", async () => {
    serve();
    const name = "a".repeat(128);
    expect(await vendExpress(words(question.replace("dev", name)), {})).toEqual(line);
    expect(asked).toEqual([`${messages.Vend.number} ${name}`]);
  });

  test.each([
    ["the home's socket", { HOME: "/nowhere/ada" }],
    ["another home's", { HOME: "/nowhere/ada", KEYHOLE_HOME: "/nowhere/else" }],
  ])("without an option it is %s, as paths.ts has it", async (_, environment) => {
    const { socket: path } = resolvePaths(environment, {}, () => "/");
    expect(path).toStartWith("/nowhere/");
    const home = path.slice(0, -"/sock/daemon.sock".length);
    const moved = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, value.replace("/nowhere", directory)]),
    );
    socket = `${home.replace("/nowhere", directory)}/sock/daemon.sock`;
    mkdirSync(join(socket, ".."), { recursive: true });
    serve();
    expect(await vendExpress(["export", "-f", "credential-process", "-n", "dev"], moved)).toEqual(line);
  });

  test("KEYHOLE_SOCKET names the socket, and an option wins over it", async () => {
    serve();
    const short = ["export", "-f", "credential-process", "-n", "dev"];
    expect(await vendExpress(short, { KEYHOLE_SOCKET: socket, HOME: "/nowhere" })).toEqual(line);
    expect(await vendExpress(words(question), { KEYHOLE_SOCKET: "/nowhere/s" })).toEqual(line);
  });

  test.each([
    ["another command", "daemon status"],
    ["another format", question.replace("credential-process", "json")],
    ["no format", "--socket-path SOCKET export -n dev"],
    ["no name", "--socket-path SOCKET export --format credential-process"],
    ["a name without a value", "--socket-path SOCKET export --format credential-process -n"],
    ["a name that is none", question.replace("dev", "../dev")],
    ["an option twice", `${question} -n dev`],
    ["two commands", `${question} export`],
    ["an unknown option", `${question} --verbose`],
    ["help", `${question} --help`],
    ["an operand", `${question} more`],
    ["an option of the command in front of it", "--socket-path SOCKET -n dev export --format credential-process"],
    ["a value behind =", question.replace("--format ", "--format=")],
    ["another setting", `${question} --client-timeout 5`],
    ["a relative socket", question.replace("SOCKET", "s")],
    ["an empty socket", question.replace("SOCKET", "")],
    ["something behind --", `${question} -- x`],
  ])("%s is for the command line proper, and nobody is asked", async (_, text) => {
    serve();
    expect(await vendExpress(words(text), {})).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test.each([
    "KEYHOLE_AUTOSTART",
    "KEYHOLE_CHAIN",
    "KEYHOLE_CLIENT_TIMEOUT",
    "KEYHOLE_CONFIG_DIR",
    "KEYHOLE_DISABLE",
    "KEYHOLE_MAX_DAEMON_CACHE_SIZE",
    "KEYHOLE_SOCKET_MODE",
  ])("where %s is set, it is for the command line proper", async (variable) => {
    serve();
    expect(await vendExpress(words(question), { [variable]: "x" })).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test.each([
    ["an error reply", encodeFrame(ERROR_NUMBER, encode(errorReply, { number: 6, message: "no", hint: undefined }))],
    ["another message", encodeFrame(1, new Uint8Array(20))],
    ["another version", encodeFrame(messages.Vend.number, response("x").subarray(6), 2)],
    ["part of an answer", response("x").subarray(0, -1)],
    ["more than an answer", Buffer.concat([response("x"), new Uint8Array(1)])],
    ["a line that is longer than its frame", response("x").with(response("x").length - line.length - 1, 200)],
    ["nothing but a length", new Uint8Array(4)],
    ["text", new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ])("%s is for the command line proper", async (_, answer) => {
    serve(answer);
    expect(await vendExpress(words(question), {})).toBeUndefined();
  });

  test("where nobody listens, or whoever listens hangs up, it is for the command line proper", async () => {
    expect(await vendExpress(words(question), {})).toBeUndefined();
    server = Bun.listen({ unix: socket, socket: { data: (peer) => void peer.end() } });
    expect(await vendExpress(words(question), {})).toBeUndefined();
  });

  const fetched = (region: string | undefined) =>
    encodeFrame(
      messages.Fetch.number,
      encode(messages.Fetch.response, { grant: "agent-a", config: "dev", region, line }),
    );
  const revoked = encodeFrame(ERROR_NUMBER, encode(errorReply, { number: 32, message: "revoked", hint: undefined }));

  /** A grant's directory with a socket that takes the request apart with the codecs proper. */
  function serveGrant(answer: Uint8Array | "nothing" = fetched("eu-west-1")): string {
    socket = join(directory, "sock");
    writeFileSync(join(directory, "aws-config"), "[default]\n");
    server = Bun.listen({
      unix: socket,
      socket: {
        data: (peer, chunk) => {
          for (const { message, body } of new FrameDecoder(RESPONSE_LIMIT).push(chunk)) {
            asked.push(`${message} ${body.length}`);
          }
          if (answer === "nothing") peer.end();
          else peer.write(answer);
        },
      },
    });
    chmodSync(socket, 0o666);
    return join(directory, "keyhole");
  }

  test.each([
    ["no words", [], "eu-west-1"],
    ["no words", [], undefined],
    ["the words that mean the same", ["export", "--format", "credential-process"], "eu-west-1"],
  ] as const)("in a grant's directory %s are answered by its socket, which is told nothing", async (_, own, region) => {
    const executable = serveGrant(fetched(region));
    expect(await ask(own, {}, executable)).toEqual({ line });
    expect(asked).toEqual([`${messages.Fetch.number} 0`]);
  });

  test("what a grant refuses is handed on, and not asked again", async () => {
    expect(await ask([], {}, serveGrant(revoked))).toEqual(ask === askExpress ? { refusal: revoked } : undefined);
    expect(asked).toHaveLength(1);
  });

  test("a grant whose daemon is being replaced has done nothing, and is for the command line proper", async () => {
    const { number } = errors["shutting-down"];
    const reply = encode(errorReply, { number, message: "the daemon is shutting down", hint: undefined });
    expect(await ask([], {}, serveGrant(encodeFrame(ERROR_NUMBER, reply)))).toBeUndefined();
  });

  test("a grant whose socket is away or hangs up is for the command line proper", async () => {
    expect(await ask([], {}, serveGrant())).toEqual({ line });
    server!.stop(true);
    expect(await ask([], {}, join(directory, "keyhole"))).toBeUndefined();
    rmSync(socket, { force: true });
    expect(await ask([], {}, serveGrant("nothing"))).toBeUndefined();
  });

  test.each([
    ["a name", ["export", "-f", "credential-process", "-n", "dev"], {}],
    ["another format", ["export", "-f", "json"], {}],
    ["another setting", [], { KEYHOLE_CLIENT_TIMEOUT: "5" }],
    ["a named socket", [], { KEYHOLE_SOCKET: "/nowhere/s" }],
  ] as const)(
    "in a grant's directory %s is for the command line proper, and nobody is asked",
    async (_, own, environment) => {
      const executable = serveGrant();
      expect(await ask(own, { HOME: "/nowhere", ...environment }, executable)).toBeUndefined();
      expect(asked).toEqual([]);
    },
  );

  // The kernel tells its path to what runs before Bun, and never a name alone.
  test.each(ask === askExpress ? ["/opt/keyhole", "keyhole", ""] : ["DIRECTORY/opt/keyhole"])(
    "no words by %j, which lies beside nothing, are for the command line proper",
    async (executable) => {
      expect(await ask([], {}, executable.replace("DIRECTORY", directory))).toBeUndefined();
    },
  );

  test.each([...lane.choosing, "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])(
    "%s may mean another session than the config's name, and says nothing to a grant",
    async (variable) => {
      serve();
      expect(await vendExpress(words(question), { [variable]: "x" })).toBeUndefined();
      expect(asked).toEqual([]);
      server!.stop(true);
      expect(await ask([], { [variable]: "x" }, serveGrant())).toEqual({ line });
    },
  );

  const given = "/r/run/dev-1.config";
  test.each([
    [true, {}],
    [true, { AWS_CONFIG_FILE: given, AWS_SHARED_CREDENTIALS_FILE: "/r/run/credentials" }],
    [true, { AWS_CONFIG_FILE: given }],
    [true, { AWS_CONFIG_FILE: "", AWS_SHARED_CREDENTIALS_FILE: "" }],
    [true, { AWS_CONFIG_FILE: "/r/c", KEYHOLE_SOURCE_GIVEN: "/r/c", AWS_SHARED_CREDENTIALS_FILE: "/r/credentials" }],
    [false, { AWS_CONFIG_FILE: `${given}x` }],
    [false, { AWS_CONFIG_FILE: "/r/run/dev-1.confi" }],
    [false, { AWS_CONFIG_FILE: given, AWS_SHARED_CREDENTIALS_FILE: "/r/credentials" }],
    [false, { AWS_SHARED_CREDENTIALS_FILE: "/r/run/credentials.mine" }],
    [false, { AWS_SHARED_CREDENTIALS_FILE: "/r/run/d" }],
    [false, { AWS_SHARED_CREDENTIALS_FILE: "/r/run/" }],
    [false, { AWS_SHARED_CREDENTIALS_FILE: "/r/r" }],
    [false, { AWS_SHARED_CREDENTIALS_FILE: "/r/run/x/credentials" }],
    [false, { AWS_SHARED_CREDENTIALS_FILE: "credentials" }],
    [false, { AWS_CONFIG_FILE: given, KEYHOLE_SOURCE_GIVEN: "" }],
    [false, { KEYHOLE_SOURCE_GIVEN: "ASIA", AWS_CONFIG_FILE: given }],
  ])("whether files are those that keyhole gave: %p, %j", async (areGiven, environment) => {
    serve();
    const answer = await vendExpress(words(question), { KEYHOLE_SOURCE_GIVEN: given, ...environment });
    expect(answer).toEqual(areGiven ? line : undefined);
  });

  test.skipIf(process.getuid!() !== 0)(
    "what listens at another user's socket is not believed, and is told a name only in the home (needs root)",
    async () => {
      serve();
      chownSync(socket, 65_534, 65_534);
      expect(await vendExpress(words(question), {})).toBeUndefined();
      expect(asked).toEqual([]);
      server!.stop(true);
      const home = join(directory, "home");
      socket = join(home, ".keyhole", "sock", "daemon.sock");
      mkdirSync(join(socket, ".."), { recursive: true });
      serve();
      chownSync(socket, 65_534, 65_534);
      expect(await vendExpress(["export", "-f", "credential-process", "-n", "dev"], { HOME: home })).toBeUndefined();
    },
  );

  test.skipIf(process.getuid!() !== 0 || ask === askExpress)(
    "where another user listens at a socket of one's own, it is told no name (needs root)",
    async () => {
      chmodSync(directory, 0o777);
      process.seteuid!(65_534);
      try {
        serve();
      } finally {
        process.seteuid!(0);
      }
      chownSync(socket, 0, 0);
      expect(await vendExpress(words(question), {})).toBeUndefined();
      expect(asked).toEqual([]);
    },
  );

  test.each([0o666, 0o777, 0o644, 0o660])(
    "a named socket of mode %o may be a grant's, and is told no name",
    async (mode) => {
      serve();
      chmodSync(socket, mode);
      expect(await vendExpress(words(question), {})).toBeUndefined();
      expect(asked).toEqual([]);
    },
  );

  test("an answer that comes in pieces is one answer, and one request", async () => {
    const answer = response("eu-west-1");
    server = Bun.listen({
      unix: socket,
      socket: {
        data: async (peer) => {
          asked.push("once");
          for (const byte of answer) {
            peer.write(Uint8Array.of(byte));
            await new Promise((resolve) => void setImmediate(resolve));
          }
        },
      },
    });
    chmodSync(socket, 0o600);
    expect(await vendExpress(words(question), {})).toEqual(line);
    expect(asked).toEqual(["once"]);
  });

  test("with KEYHOLE_AUTOSTART=0, as in a grant's environment, it answers all the same", async () => {
    serve();
    expect(await vendExpress(words(question), { KEYHOLE_AUTOSTART: "0" })).toEqual(line);
  });
});
