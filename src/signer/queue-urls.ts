// A queue is named by its URL, and SDKs send requests to that URL: inside a sandbox it must be ours, outside AWS's.
import type { Upstream } from "./host.ts";
import type { Request } from "./sigv4.ts";

export class QueueUrls {
  readonly #inside: string;
  readonly #outside: string;

  constructor({ headers }: Request, { isTls, host, port, base }: Upstream) {
    this.#inside = `http://${headers.find(([name]) => name === "host")![1]}/sqs/`;
    this.#outside = `${isTls ? "https" : "http"}://${host}${port === undefined ? "" : `:${port}`}${base}/`;
  }

  outwards(body: Buffer): Buffer {
    return replace(body, this.#inside, this.#outside);
  }

  inwards(body: Buffer): Buffer {
    return replace(body, this.#outside, this.#inside);
  }
}

export const slashed = (text: string) => text.replaceAll("/", "\\/");

/** As it stands in JSON and XML, as JSON may have its slashes, and as in a form. */
function replace(body: Buffer, from: string, to: string): Buffer {
  let text = body.toString("latin1");
  for (const form of [(url: string) => url, slashed, encodeURIComponent]) text = text.replaceAll(form(from), form(to));
  return Buffer.from(text, "latin1");
}
