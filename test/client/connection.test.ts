import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Connection } from "../../src/client/connection.ts";
import { errors } from "../../src/errors.ts";
import { encode } from "../../src/wire/codec.ts";
import { encodeFrame, RESPONSE_LIMIT } from "../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply, messages } from "../../src/wire/messages.ts";
import { rejectionOf } from "../thrown.ts";

let directory: string;
let path: string;
let server: Bun.UnixSocketListener<undefined> | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keyhole-connection-"));
  path = join(directory, "s");
});

afterEach(() => {
  server?.stop(true);
  server = undefined;
  rmSync(directory, { recursive: true });
});

/** A daemon that does what the test says. */
function serve(data: (socket: Bun.Socket, chunk: Uint8Array) => void, open: (socket: Bun.Socket) => void = () => {}) {
  server = Bun.listen({ unix: path, socket: { data, open } });
}

const open = (timeoutMs = 2000) => Connection.open(path, { timeoutMs });
const hello = (version: string) => encodeFrame(1, encode(messages.Hello.response, { version, pid: 7 }));
const failure = (kind: keyof typeof errors, message: string) =>
  encodeFrame(ERROR_NUMBER, encode(errorReply, { number: errors[kind].number, message, hint: "do this" }));

test("a request is answered with its response", async () => {
  serve((socket) => socket.write(hello("1.2.3")));
  const connection = await open();
  expect(await connection.request("Hello", { version: "x" })).toEqual({ version: "1.2.3", pid: 7 });
  connection.close();
});

test("an answer that arrives byte by byte is one answer", async () => {
  serve((socket) => {
    const bytes = hello("1.2.3");
    let next = 0;
    const timer = setInterval(() => {
      socket.write(bytes.subarray(next, ++next));
      if (next === bytes.length) clearInterval(timer);
    }, 0);
  });
  const connection = await open();
  expect(await connection.request("Hello", { version: "x" })).toEqual({ version: "1.2.3", pid: 7 });
  connection.close();
});

test("requests at once are answered in their order", async () => {
  let asked = 0;
  serve((socket, chunk) => {
    for (let count = chunk.length / 9; count > 0; count--) socket.write(hello(String(++asked)));
  });
  const connection = await open();
  const answers = await Promise.all([1, 2, 3].map(() => connection.request("Hello", { version: "x" })));
  expect(answers.map(({ version }) => version)).toEqual(["1", "2", "3"]);
  connection.close();
});

test("an error reply is the daemon's error, with its hint", async () => {
  serve((socket) => socket.write(failure("aws-refused", "AccessDenied: no")));
  const error = await rejectionOf((await open()).request("Vend", { config: "dev" }));
  expect([error.kind, error.message, error.hint]).toEqual(["aws-refused", "AccessDenied: no", "do this"]);
});

test("a refusal that comes before the request is heard", async () => {
  serve(
    () => {},
    (socket) => {
      socket.write(failure("forbidden", "this socket answers its owner only"));
      socket.end();
    },
  );
  expect((await rejectionOf((await open()).request("Vend", { config: "dev" }))).kind).toBe("forbidden");
});

test("an answer to something else, or of another version, is not taken for one", async () => {
  const answers = [
    encodeFrame(4, new Uint8Array(0)),
    encodeFrame(1, new Uint8Array(3)),
    encodeFrame(1, hello("x").subarray(6), 2),
  ];
  serve((socket) => socket.write(answers.shift()!));
  const connection = await open();
  for (let count = 0; count < 3; count++) {
    expect((await rejectionOf(connection.request("Hello", { version: "x" }))).kind).toBe("unsupported-version");
  }
  connection.close();
});

test.each([
  [2, "update keyhole"],
  [0, "keyhole daemon restart"],
])("a daemon that answers in version %d is named, and what helps is: %s", async (version, hint) => {
  serve((socket) => socket.write(encodeFrame(1, hello("x").subarray(6), version)));
  const connection = await open();
  const error = await rejectionOf(connection.request("Hello", { version: "x" }));
  expect(error.message).toBe(`the daemon speaks protocol version ${version}, this keyhole 1`);
  expect([error.kind, error.hint]).toEqual(["unsupported-version", hint]);
  connection.close();
});

test("whoever does not speak the protocol is not believed", async () => {
  serve((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const error = await rejectionOf((await open()).request("Hello", { version: "x" }));
  expect(error.message).toStartWith("what answers is not a keyhole daemon");
});

test("an announced gigabyte is refused, not waited for", async () => {
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, RESPONSE_LIMIT + 1);
  serve((socket) => socket.write(header));
  expect((await rejectionOf((await open()).request("Hello", { version: "x" }))).kind).toBe("unsupported-version");
});

test("a daemon that goes away while it is asked is `unreachable`, and stays so", async () => {
  serve((socket) => socket.end());
  const connection = await open();
  expect((await rejectionOf(connection.request("Hello", { version: "x" }))).kind).toBe("unreachable");
  expect((await rejectionOf(connection.request("Hello", { version: "x" }))).kind).toBe("unreachable");
});

test("a daemon that says nothing is a timeout", async () => {
  serve(() => {});
  const error = await rejectionOf((await open(30)).request("Hello", { version: "x" }));
  expect([error.kind, error.message]).toEqual(["timeout", "the daemon gave no answer in 0.03 s"]);
});

test("a daemon that answers others is waited for, and no longer", async () => {
  let asked = 0;
  serve((socket) => void setTimeout(() => socket.end(), 120));
  const isThere = () => Promise.resolve((asked += 1) < 10);
  const waiting = await Connection.open(path, { timeoutMs: 30, isThere });
  // Until the daemon itself says something.
  expect((await rejectionOf(waiting.request("Hello", { version: "x" }))).kind).toBe("unreachable");
  expect(asked).toBeGreaterThan(1);
  asked = 9;
  const failing = await Connection.open(path, { timeoutMs: 30, isThere });
  expect((await rejectionOf(failing.request("Hello", { version: "x" }))).kind).toBe("timeout");
});

test("a request that no daemon takes is not sent", async () => {
  serve(() => {
    throw new Error("sent");
  });
  const connection = await open();
  expect((await rejectionOf(connection.request("Vend", { config: "x".repeat(65_536) }))).kind).toBe("usage");
  expect((await rejectionOf(connection.request("Vend", { config: "x".repeat(65_535) }))).kind).toBe("usage");
  connection.close();
});

test("where nothing listens, the path is named", async () => {
  const error = await rejectionOf(open());
  expect([error.kind, error.exitStatus]).toEqual(["unreachable", 3]);
  expect(error.message).toContain(path);
});

test("a refused connection is tried again, because a full backlog looks the same", async () => {
  writeFileSync(path, "");
  const opened = open();
  rmSync(path);
  serve((socket) => socket.write(hello("late")));
  const connection = await opened;
  expect(await connection.request("Hello", { version: "x" })).toEqual({ version: "late", pid: 7 });
  connection.close();
});

test("a name that the kernel does not take is a usage error", async () => {
  path = join(directory, "x".repeat(120));
  expect((await rejectionOf(open())).kind).toBe("usage");
});

test.skipIf(process.getuid?.() !== 0)("a path that a mode or a sandbox forbids is `blocked`, exit 8", () => {
  const source = `import { Connection } from ${JSON.stringify(join(import.meta.dir, "../../src/client/connection.ts"))};
    process.setgid(65534); process.setuid(65534);
    try { await Connection.open(${JSON.stringify(path)}, { timeoutMs: 100 }); }
    catch (error) { console.log(error.kind, error.exitStatus); }`;
  serve(() => {});
  const child = Bun.spawnSync([process.execPath, "-e", source], { stdin: "ignore", stderr: "inherit" });
  expect(child.stdout.toString()).toBe("blocked 8\n");
});
