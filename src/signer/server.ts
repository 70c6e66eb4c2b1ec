// HTTP for a sandbox: each request is checked, judged, signed with the real credentials, and sent on.
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import http2 from "node:http2";
import net from "node:net";
import type { Duplex } from "node:stream";
import type { PeerIdentity } from "../native/native.ts";
import { bypassParser, MOST_HELD } from "./bypass.ts";
import { type Exchange, exchangeOf, type Outgoing } from "./exchange.ts";
import { type Signer, serve } from "./request.ts";

/** Milliseconds for a request to begin, with all its headers, and for a body to go on. */
const PATIENCE = 60_000;
/** Of one request; AWS takes about as much. */
const MAX_HEADERS = 64 * 1024;

/**
 * HTTP/1.1, and HTTP/2 with prior knowledge, on one socket. Bun's HTTP/2 ends a session by itself that floods it with pings,
 * settings, resets or continued headers; of sockets that it has not accepted itself it ends none that is idle.
 *
 * @param most connections at once
 * @returns a server that listens nowhere yet
 */
export function createServer(signer: Signer, most: number, patience = PATIENCE): net.Server {
  const known = new WeakMap<object, Connection>();
  const handle = (on: object | undefined, outgoing: Outgoing, exchange: Exchange) => {
    const connection = on === undefined ? undefined : known.get(on);
    connection?.begins(outgoing);
    serve(signer, exchange, connection?.peer).catch(() => exchange.cut());
  };
  const latestOn = new WeakMap<object, IncomingMessage>();
  const one = http.createServer({ maxHeaderSize: MAX_HEADERS, requestTimeout: 0, keepAliveTimeout: patience });
  const begin = (request: IncomingMessage, response: ServerResponse, waits: boolean) => {
    latestOn.set(request.socket, request);
    bypassParser(request, "REQUEST", MAX_HEADERS);
    handle(request.socket, response, exchangeOf(request, response, { waits, patience }));
  };
  one.on("request", (request, response) => begin(request, response, false));
  one.on("checkContinue", (request, response) => begin(request, response, true));
  one.on("checkExpectation", (_, response) => response.writeHead(417).end());
  for (const event of ["connect", "upgrade"] as const)
    one.on(event, (_, socket) => void refuse(socket, "501 Not Implemented"));
  one.on("clientError", (error, socket) => {
    const isTooLong = "code" in error && error.code === "HPE_HEADER_OVERFLOW";
    if (socket.writable) refuse(socket, isTooLong ? "431 Request Header Fields Too Large" : "400 Bad Request");
  });
  const two = http2.createServer({ maxHeaderListPairs: 200, settings: { maxConcurrentStreams: 64 } });
  two.on("request", (request, response) =>
    handle(request.stream.session, response, exchangeOf(request, response, { waits: false, patience })),
  );
  two.on("sessionError", () => {});

  let open = 0;
  const server = net.createServer((socket) => {
    open += 1;
    socket.on("close", () => (open -= 1));
    socket.on("error", () => socket.destroy());
    if (open > most) {
      socket.destroy();
      return;
    }
    const connection = { begins: endIdle(socket, patience), peer: signer.identify(socket) };
    known.set(socket, connection);
    socket.once("data", (bytes) => {
      socket.pause();
      socket.unshift(bytes);
      // "PRI * HTTP/2.0": no request of HTTP/1.1 begins with these.
      if (bytes.toString("latin1", 0, 3) === "PRI") {
        two.once("session", (session) => known.set(session, connection));
        two.emit("connection", socket);
      } else {
        one.emit("connection", socket);
        // Bun holds all that comes of a body that is not read; a request that is read again resumes its socket by itself.
        socket.on("data", () => {
          const latest = latestOn.get(socket);
          if (latest?.complete === false && latest.readableLength >= MOST_HELD) socket.pause();
        });
      }
      socket.resume();
    });
  });
  return server;
}

interface Connection {
  /** Is told of each request, by its answer. */
  readonly begins: (outgoing: Outgoing) => void;
  readonly peer: PeerIdentity | undefined;
}

const refuse = (socket: Duplex, status: string) =>
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);

/** Ends a connection on which no request is under way, nor begins in time. @returns what tells it of one, by its answer */
function endIdle(socket: net.Socket, patience: number): (outgoing: Outgoing) => void {
  let underWay = 0;
  const wait = () => setTimeout(() => socket.destroy(), patience);
  let timer = wait();
  socket.once("close", () => clearTimeout(timer));
  return (outgoing) => {
    underWay += 1;
    clearTimeout(timer);
    outgoing.once("close", () => {
      underWay -= 1;
      if (underWay === 0 && !socket.destroyed) timer = wait();
    });
  };
}
