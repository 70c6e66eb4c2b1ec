// HTTP for a sandbox: each request is checked, judged, signed with the real credentials, and sent on.
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { type Exchange, exchangeOf } from "./exchange.ts";
import { type Signer, serve } from "./serve.ts";

/** Connections of one grant at once; the SDKs' pools have 10 to 50. */
const MAX_CONNECTIONS = 256;
/** Milliseconds for a request's headers, and between two parts of a body. */
const PATIENCE = 60_000;
/** Of one request; AWS takes about as much. */
const MAX_HEADERS = 64 * 1024;

/** HTTP/1.1, and HTTP/2 with prior knowledge, on one socket. @returns a server that listens nowhere yet */
export function createServer(signer: Signer): net.Server {
  const handle = (exchange: Exchange) => {
    serve(signer, exchange).catch(() => exchange.cut());
  };
  const one = http.createServer({
    maxHeaderSize: MAX_HEADERS,
    headersTimeout: PATIENCE,
    requestTimeout: 0,
    keepAliveTimeout: PATIENCE,
  });
  one.on("request", (request, response) => handle(exchangeOf(request, response, false)));
  one.on("checkContinue", (request, response) => handle(exchangeOf(request, response, true)));
  one.on("checkExpectation", (_, response) => response.writeHead(417).end());
  for (const event of ["connect", "upgrade"] as const)
    one.on(event, (_, socket) =>
      socket.end("HTTP/1.1 501 Not Implemented\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
    );
  one.on("clientError", (_, socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  });
  const two = http2.createServer({ maxHeaderListPairs: 200, settings: { maxConcurrentStreams: 64 } });
  two.on("request", (request, response) => handle(exchangeOf(request, response, false)));
  two.on("sessionError", () => {});

  let open = 0;
  const server = net.createServer((socket) => {
    open += 1;
    socket.on("close", () => (open -= 1));
    socket.on("error", () => socket.destroy());
    if (open > MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    socket.setTimeout(PATIENCE, () => socket.destroy());
    socket.once("data", (bytes) => {
      socket.setTimeout(0);
      socket.pause();
      socket.unshift(bytes);
      // "PRI * HTTP/2.0": no request of HTTP/1.1 begins with these.
      (bytes.toString("latin1", 0, 3) === "PRI" ? two : one).emit("connection", socket);
      socket.resume();
    });
  });
  return server;
}
