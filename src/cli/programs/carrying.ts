// The loopback of a sandbox, carried byte for byte to the socket of a grant that signs.
import net from "node:net";
import { readFileSync } from "node:fs";
import { codeOf, KeyholeError } from "../../errors.ts";

const ADDRESS = "127.0.0.1";
/** Bytes that are sent again until the first answer: who listens there may hand over to another, and has read none of them. */
const KEPT = 1024 * 1024;
/** Attempts, and milliseconds between them: a signer needs some 50 ms to start. */
const ATTEMPTS = 100;
const PAUSE = 50;

/** Where its AWS config leads the SDKs. @throws KeyholeError `not-a-grant` */
export function portOf(directory: string): number {
  const config = readFileSync(`${directory}/aws-config`, "utf8");
  const port = /endpoint_url = http:\/\/127\.0\.0\.1:(\d+)\//.exec(config)?.[1];
  if (port === undefined) throw new KeyholeError("not-a-grant", `${directory}/aws-config leads to no grant that signs`);
  return Number(port);
}

/** @returns what ends it. @throws KeyholeError `usage` for a port that is taken, `blocked` where nothing may listen */
export async function carry(port: number, socket: string): Promise<() => void> {
  const open = new Set<net.Socket>();
  const server = net.createServer({ pauseOnConnect: true }, (client) => {
    open.add(client);
    client.on("close", () => open.delete(client));
    connect(client, socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(unusable(port, error)));
    server.listen({ host: ADDRESS, port, exclusive: true }, resolve);
  });
  return () => {
    server.close();
    for (const client of open) client.destroy();
  };
}

function unusable(port: number, error: Error): KeyholeError {
  const code = codeOf(error) ?? "unknown";
  if (code !== "EADDRINUSE")
    return new KeyholeError("blocked", `nothing may listen at port ${port} of ${ADDRESS} (${code})`);
  const hint = "end what listens there, or make the grant with another port: keyhole grant add --port N";
  return new KeyholeError("usage", `port ${port} of ${ADDRESS}, which is this grant's, is taken`, hint);
}

function connect(client: net.Socket, path: string): void {
  /** Sent, and not known to be read; undefined where it is too much to be sent again, or was answered. */
  let kept: Buffer[] | undefined = [];
  let length = 0;
  let attempts = 0;
  let upstream: net.Socket | undefined;

  client.on("data", (bytes: Buffer) => {
    length += bytes.length;
    kept?.push(bytes);
    if (length > KEPT) kept = undefined;
    if (upstream?.write(bytes) === false) client.pause();
  });
  client.on("drain", () => upstream?.resume());
  client.on("end", () => upstream?.end());
  client.on("error", () => client.destroy());
  client.on("close", () => upstream?.destroy());
  attempt();

  function attempt(): void {
    attempts += 1;
    const socket = net.connect(path);
    upstream = socket;
    // One who has read nothing yet is sent no more than its kernel takes.
    const isFull = (kept ?? []).map((bytes) => socket.write(bytes)).includes(false);
    if (!isFull) client.resume();
    if (client.readableEnded) socket.end();
    socket.on("drain", () => client.resume());
    socket.on("data", (bytes) => {
      kept = undefined;
      if (!client.write(bytes)) socket.pause();
    });
    socket.on("end", () => {
      if (kept === undefined) client.end();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      if (kept === undefined || client.destroyed || attempts >= ATTEMPTS) client.destroy();
      else setTimeout(attempt, attempts === 1 ? 0 : PAUSE);
    });
  }
}
