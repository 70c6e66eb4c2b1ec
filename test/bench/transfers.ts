// What a grant that signs carries, in processes of their own: `bun transfers.ts sink KEY CERT SPARSE`, a server of AWS's kind
// that throws away what it gets; and `bun transfers.ts client JSON`, which is as fast as it can be.
import { signRequest } from "../../src/signer/sigv4.ts";

export interface Transfer {
  readonly port: number;
  readonly isTls: boolean;
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly kind: "up, hashed" | "up, unsigned" | "down";
  readonly bytes: number;
  readonly count: number;
}

const PART = Buffer.alloc(256 * 1024, "x");

if (process.argv[2] === "sink") sink(process.argv.slice(3) as [string, string, string]);
else if (process.argv[2] === "client") {
  console.log(JSON.stringify(await transfer(JSON.parse(process.argv[3]!) as Transfer)));
  process.exit(0);
}

function sink([key, cert, sparse]: readonly [string, string, string]): void {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    tls: { key, cert },
    async fetch(request) {
      if (request.method === "GET")
        return new Response(Bun.file(sparse).slice(0, Number(request.headers.get("x-amz-meta-size"))));
      let bytes = 0;
      for await (const part of request.body ?? []) bytes += (part as Uint8Array).length;
      return new Response(String(bytes));
    },
  });
  console.log(server.port);
}

/** @returns the milliseconds of each */
async function transfer({ port, isTls, keys, kind, bytes, count }: Transfer): Promise<number[]> {
  const isUp = kind !== "down";
  let left = 0;
  let text = "";
  let awaited = Infinity;
  let answered = Promise.withResolvers<void>();
  const pump = (socket: Bun.Socket) => {
    while (left > 0) {
      const part = left < PART.length ? PART.subarray(0, left) : PART;
      const written = Math.max(0, socket.write(part));
      left -= written;
      if (written < part.length) return;
    }
  };
  const fail = (why: string): never => {
    console.error(`${why}: ${text.slice(0, 300)}`);
    process.exit(1);
  };
  const opened = Promise.withResolvers<Bun.Socket>();
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    ...(isTls && { tls: { rejectUnauthorized: false } }),
    socket: {
      ...(isTls ? { handshake: (socket) => opened.resolve(socket) } : { open: (socket) => opened.resolve(socket) }),
      drain: pump,
      data: (_, part) => {
        if (awaited === Infinity) {
          text += part.toString("latin1");
          const end = text.indexOf("\r\n\r\n");
          if (end === -1) return;
          // A part of a file is 206.
          if (!text.startsWith("HTTP/1.1 20")) fail("not answered");
          awaited = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? fail("no length")) - (text.length - end - 4);
        } else awaited -= part.length;
        if (awaited === 0) answered.resolve();
      },
      close: () => fail("closed"),
    },
  });
  const socket = await opened.promise;
  const times: number[] = [];
  for (let round = 0; round < count; round += 1) {
    const began = performance.now();
    const payloadHash = kind === "up, hashed" ? hashOf(bytes) : "UNSIGNED-PAYLOAD";
    const method = isUp ? "PUT" : "GET";
    const { headers } = signRequest(
      {
        method,
        path: "/s3/bucket/key",
        query: "",
        headers: [
          ["host", `127.0.0.1:${port}`],
          ["x-amz-content-sha256", payloadHash],
          ["x-amz-meta-size", String(bytes)],
        ],
      },
      {
        keys: { ...keys, sessionToken: undefined },
        scope: { region: "eu-west-1", service: "s3" },
        now: Date.now(),
        pathForm: "as-is",
        payloadHash,
      },
    );
    [text, awaited, left] = ["", Infinity, isUp ? bytes : 0];
    answered = Promise.withResolvers<void>();
    const lines = [...headers, ...(isUp ? [["content-length", String(bytes)]] : [])];
    socket.write(`${method} /s3/bucket/key HTTP/1.1\r\n${lines.map((pair) => `${pair.join(": ")}\r\n`).join("")}\r\n`);
    pump(socket);
    await answered.promise;
    times.push(performance.now() - began);
  }
  return times;
}

function hashOf(bytes: number): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (let left = bytes; left > 0; left -= PART.length) hash.update(left < PART.length ? PART.subarray(0, left) : PART);
  return hash.digest("hex");
}
