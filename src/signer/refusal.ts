// An error as the client's protocol has it, so that every SDK shows its text.
import type { Request } from "./sigv4.ts";
import type { Service } from "./table.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Failure {
  readonly status: number;
  /** AWS's name for it, which SDKs decide by. */
  readonly code: string;
  readonly message: string;
}

/** What keyhole says begins with its name: a person must not look for it at AWS. */
export function answerOf(
  { status, code, message: said }: Failure,
  request: Request,
  service: Service | undefined,
): Answer {
  const message = `keyhole: ${said}`;
  const type = request.headers.find(([name]) => name === "content-type")?.[1] ?? "";
  const isRpc = request.headers.some(([name]) => name === "smithy-protocol") || type.startsWith("application/cbor");
  const protocol = isRpc
    ? "cbor"
    : request.headers.some(([name]) => name === "x-amz-target")
      ? "json"
      : type.startsWith("application/x-www-form-urlencoded") && service?.protocol !== "ec2"
        ? "query"
        : (service?.protocol ?? "rest-xml");
  const xml = (body: string) => ({
    status,
    headers: { "content-type": "text/xml" },
    body: Buffer.from(request.method === "HEAD" ? "" : `<?xml version="1.0" encoding="UTF-8"?>\n${body}`),
  });
  const inner = `<Code>${code}</Code><Message>${escapeXml(message)}</Message>`;
  switch (protocol) {
    case "cbor":
      return {
        status,
        headers: {
          "content-type": "application/cbor",
          "smithy-protocol": "rpc-v2-cbor",
          "x-amzn-query-error": `${code};Sender`,
        },
        body: encodeCbor({ __type: code, message }),
      };
    case "json":
    case "rest-json":
      return {
        status,
        headers: { "content-type": "application/x-amz-json-1.1", "x-amzn-errortype": code },
        body: Buffer.from(JSON.stringify({ __type: code, message, Message: message })),
      };
    case "ec2":
      return xml(`<Response><Errors><Error>${inner}</Error></Errors><RequestID>keyhole</RequestID></Response>`);
    case "query":
      return xml(
        `<ErrorResponse><Error><Type>Sender</Type>${inner}</Error><RequestId>keyhole</RequestId></ErrorResponse>`,
      );
    default:
      // S3's own, and what all other services of that protocol have.
      return service?.name === "s3"
        ? xml(`<Error>${inner}<RequestId>keyhole</RequestId></Error>`)
        : xml(
            `<ErrorResponse><Error><Type>Sender</Type>${inner}</Error><RequestId>keyhole</RequestId></ErrorResponse>`,
          );
  }
}

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A map of texts (RFC 8949): what an error is. */
function encodeCbor(map: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(map);
  return Buffer.concat([Buffer.from([0xa0 + entries.length]), ...entries.flat().map(encodeText)]);
}

function encodeText(value: string): Buffer {
  const bytes = Buffer.from(value);
  const { length } = bytes;
  const head = length < 24 ? [0x60 + length] : length < 256 ? [0x78, length] : [0x79, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(head), bytes]);
}
