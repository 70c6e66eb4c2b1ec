// One request and its answer, whichever HTTP it came by.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Readable, Writable } from "node:stream";
import type { Header, Request } from "./sigv4.ts";

export interface Exchange {
  readonly request: Request;
  readonly body: Readable;
  /** Waits for `proceed` before it sends its body. */
  proceed(): void;
  answer(status: number, headers: readonly Header[]): Writable;
  /** Or can no more. */
  readonly hasAnswered: boolean;
  /** Closes the connection, or resets the stream: the client cannot take what came for the whole. */
  cut(): void;
  onGone(listener: () => void): void;
  /** Cuts it where its body stands still for too long; one that is held until it has come must come in that time. */
  limitBody(isHeld: boolean): void;
}

/** What is the host of HTTP/2: RFC 9113, 8.3.1. */
export const AUTHORITY = ":authority";

type Incoming = IncomingMessage | Http2ServerRequest;
export type Outgoing = ServerResponse | Http2ServerResponse;

/** @param patience milliseconds */
export function exchangeOf(
  incoming: Incoming,
  outgoing: Outgoing,
  { waits, patience }: { readonly waits: boolean; readonly patience: number },
): Exchange {
  const isOne = incoming.httpVersionMajor === 1;
  const headers = pairsOf(incoming.rawHeaders).flatMap(([name, value]): Header[] => {
    // The JavaScript SDK signs it by this name.
    if (name === AUTHORITY)
      return [
        [name, value],
        ["host", value],
      ];
    return name.startsWith(":") ? [] : [[name, value]];
  });
  const url = incoming.url ?? "";
  const at = url.indexOf("?");
  const cut = () => {
    if (isOne) (incoming as IncomingMessage).socket.destroy();
    else (outgoing as Http2ServerResponse).stream.close(8);
  };
  return {
    request: {
      method: incoming.method ?? "",
      path: at === -1 ? url : url.slice(0, at),
      query: at === -1 ? "" : url.slice(at + 1),
      headers,
    },
    body: incoming as Readable,
    proceed: () => {
      if (waits) (outgoing as ServerResponse).writeContinue();
    },
    answer: (status, pairs) => {
      const known = isOne ? pairs : pairs.filter(([name]) => !HOP_BY_HOP.has(name));
      const grouped = Map.groupBy(known, ([name]) => name);
      for (const [name, values] of grouped)
        outgoing.setHeader(name, values.length === 1 ? values[0]![1] : values.map(([, value]) => value));
      outgoing.statusCode = status;
      return outgoing as Writable;
    },
    get hasAnswered() {
      return outgoing.headersSent || outgoing.destroyed;
    },
    cut,
    onGone: (listener) => void outgoing.once("close", listener),
    limitBody: (isHeld) => {
      const limited = isOne ? (incoming as IncomingMessage).socket : (incoming as Http2ServerRequest).stream;
      const timer = isHeld ? setTimeout(cut, patience) : undefined;
      if (!isHeld) limited.setTimeout(patience, cut);
      // An answer may take as long as it takes.
      const stop = () => {
        clearTimeout(timer);
        limited.setTimeout(0);
        limited.off("timeout", cut);
      };
      (incoming as Readable).once("end", stop);
      outgoing.once("close", stop);
    },
  };
}

/** Of `rawHeaders`: names in lower case, in their order, each as often as it was sent. */
export function pairsOf(raw: readonly string[]): Header[] {
  const pairs: Header[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at]!.toLowerCase(), raw[at + 1]!]);
  return pairs;
}

/** RFC 9110, 7.6.1: of one connection, never passed on. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);
