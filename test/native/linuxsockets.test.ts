import { afterAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadNative } from "../../src/native/load.ts";
import { isAlive } from "../processes.ts";
import { acceptOne } from "../daemon/fakes/peers.ts";

const native = loadNative();
const directory = mkdtempSync(join(tmpdir(), "keyhole-sockets-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Bun's sockets and listeners have a descriptor that its types do not mention. */
const descriptorOf = (socket: object) => (socket as { readonly fd: number }).fd;

/** A listener, and both ends of a connection to it. */
async function connected(name: string) {
  const path = join(directory, name);
  const accepted = Promise.withResolvers<object>();
  const listener = Bun.listen({ unix: path, socket: { open: accepted.resolve, data: () => {} } });
  const client = await Bun.connect({ unix: path, socket: { data: () => {} } });
  return { path, listener, client, server: await accepted.promise, [Symbol.dispose]: () => listener.stop(true) };
}

describe.skipIf(process.platform !== "linux")("on Linux", () => {
  test("the groups of a peer are those of its process", async () => {
    using sockets = await connected("groups");
    const status = readFileSync("/proc/self/status", "utf8");
    const groups = /^Groups:(.*)$/m.exec(status)![1]!.trim().split(/\s+/).filter(Boolean).map(Number);
    expect(new Set(native.peerGroups(descriptorOf(sockets.server)))).toEqual(new Set(groups));
  });

  test.skipIf(process.getuid?.() !== 0 || Bun.which("setpriv") === null)(
    "the groups of another user's process are all there, however many",
    async () => {
      const path = join(directory, "many");
      const seen = Promise.withResolvers<number[]>();
      const listener = Bun.listen({
        unix: path,
        socket: { open: (socket) => seen.resolve(native.peerGroups(descriptorOf(socket))), data: () => {} },
      });
      const groups = Array.from({ length: 100 }, (_, index) => 5000 + index);
      const script = `await Bun.connect({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); process.exit();`;
      const under = ["setpriv", `--groups=${groups.join(",")}`];
      const child = Bun.spawn([...under, process.execPath, "-e", script], { stdout: "ignore", stderr: "inherit" });
      expect(await seen.promise).toEqual(groups);
      await child.exited;
      listener.stop(true);
    },
  );

  test("a listening socket says where, and nothing else does", async () => {
    using sockets = await connected("listening");
    expect(native.listeningPath(descriptorOf(sockets.listener))).toBe(sockets.path);
    expect(native.listeningPath(descriptorOf(sockets.server))).toBeUndefined();
    const file = openSync("/dev/null", "r");
    expect(native.listeningPath(file)).toBeUndefined();
    closeSync(file);
    const abstract = Bun.listen({ unix: `\0keyhole-${process.pid}`, socket: { data: () => {} } });
    expect(native.listeningPath(descriptorOf(abstract))).toBeUndefined();
    abstract.stop(true);
    const tcp = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
    expect(native.listeningPath(descriptorOf(tcp))).toBeUndefined();
    tcp.stop(true);
  });

  test("a descriptor that is to be closed is closed in a program that is executed", () => {
    const marked = openSync("/dev/null", "r");
    expect(native.closeOnExecute(marked)).toBe(true);
    expect(readFileSync(`/proc/self/fdinfo/${marked}`, "utf8")).toMatch(/^flags:\s+0?2\d{6}/m);
    closeSync(marked);
    expect(native.closeOnExecute(marked)).toBe(false);
  });

  test("a duplicate is the same open file, which no program gets that is executed", () => {
    const original = openSync("/proc/self/stat", "r");
    const other = native.duplicate(original)!;
    expect(other).toBeGreaterThan(2);
    expect(readlinkSync(`/proc/self/fd/${other}`)).toBe(readlinkSync(`/proc/self/fd/${original}`));
    expect(readFileSync(`/proc/self/fdinfo/${other}`, "utf8")).toMatch(/^flags:\s+0?2\d{6}/m);
    closeSync(original);
    expect(native.duplicate(original)).toBeUndefined();
    closeSync(other);
  });
});

const python = Bun.which("python3");
/** Prints the first datagram that it gets. */
const RECEIVER = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\\0"))
print("ready", flush=True)
print(s.recv(4096).decode(), end="", flush=True)`;

describe.skipIf(process.platform !== "linux" || python === null)("a datagram", () => {
  test.each([join(directory, "datagram"), `@keyhole-test-${process.pid}`])("reaches %s", async (name) => {
    const receiver = Bun.spawn([python!, "-c", RECEIVER, name], {
      stdout: "pipe",
      stderr: "ignore",
      env: { PYTHONUTF8: "1" },
    });
    const reader = receiver.stdout.getReader();
    const next = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await next()).toBe("ready\n");
    expect(native.sendDatagram(name, "READY=1\nSTATUS=ä")).toBe(true);
    let received = "";
    for (let more = await next(); more !== ""; more = await next()) received += more;
    expect(received).toBe("READY=1\nSTATUS=ä");
  });

  test("is not waited for where its receiver reads none", async () => {
    const name = join(directory, "busy");
    const program = RECEIVER.replace(/^print\(s\.recv.*$/m, "sys.stdin.read()");
    const receiver = Bun.spawn([python!, "-c", program, name], { stdin: "pipe", stdout: "pipe", stderr: "ignore" });
    await receiver.stdout.getReader().read();
    let sent = 0;
    // As many as the kernel queues, /proc/sys/net/unix/max_dgram_qlen; the next one would wait for ever.
    while (native.sendDatagram(name, "WATCHDOG=1") && sent < 100_000) sent += 1;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(100_000);
    await receiver.stdin.end();
    await receiver.exited;
  });

  test("that nobody takes, or whose receiver has too long a name, is not sent", () => {
    expect(native.sendDatagram(join(directory, "nobody"), "x")).toBe(false);
    expect(native.sendDatagram(`/${"x".repeat(200)}`, "x")).toBe(false);
  });
});

const onLinux = test.skipIf(process.platform !== "linux");

onLinux("the process that connected lives until it has ended, whoever holds its connection then", async () => {
  await using accepted = await acceptOne();
  const { fd } = accepted.socket as { fd: number };
  const before = native.isPeerAlive(fd);
  await accepted.passOn();
  expect(isAlive(accepted.pid)).toBe(false);
  // A kernel before 6.5 knows neither.
  if (before !== undefined) expect([before, native.isPeerAlive(fd)]).toEqual([true, false]);
});

onLinux("of what is no connected Unix socket nothing is known", () => {
  const descriptor = openSync("/dev/null", "r");
  expect(native.isPeerAlive(descriptor)).toBeUndefined();
  closeSync(descriptor);
  expect(native.isPeerAlive(-1)).toBeUndefined();
});
