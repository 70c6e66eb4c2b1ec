// Requests signed by hand, rightly or wrongly.
import type { Key } from "./issuer.ts";
import type { Sts } from "./server.ts";
import { signatureOf } from "./signature.ts";

/** What differs from a good request by the user's own key. */
export interface Draft {
  key: Key;
  date: number;
  method: string;
  query: string;
  body: string;
  region: string;
  service: string;
  end: string;
  scopeDate: string;
  /** Changes made before signing. */
  headers: Record<string, string>;
  signedHeaders: string[] | undefined;
  /** Changes made after signing. */
  tamper: (request: { headers: Record<string, string>; query: string; body: string }) => void;
}

export const WHOAMI = "Action=GetCallerIdentity&Version=2011-06-15";

/** Sends a request signed as the draft says; what it leaves out is as it should be. */
export async function send(sts: Sts, now: number, draft: Partial<Draft> = {}) {
  const { key = sts.root, date = now, method = "POST", query = "", body = method === "POST" ? WHOAMI : "" } = draft;
  const { region = "eu-west-1", service = "sts", end = "aws4_request" } = draft;
  const stamp = new Date(date).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const scope = { date: draft.scopeDate ?? stamp.slice(0, 8), region, service, end };
  const headers: Record<string, string> = {
    host: new URL(sts.url).host,
    "x-amz-date": stamp,
    ...(key.sessionToken !== undefined && { "x-amz-security-token": key.sessionToken }),
    ...draft.headers,
  };
  const signedHeaders = (draft.signedHeaders ?? Object.keys(headers)).toSorted();
  const { accessKeyId } = key;
  const claim = { accessKeyId, scope, signedHeaders, signature: "", date: stamp, token: undefined, expires: undefined };
  const signed = { method, query, headers: new Headers(headers), body: Buffer.from(body) };
  const signature = signatureOf(signed, claim, key.secretAccessKey);
  headers["authorization"] =
    `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${Object.values(scope).join("/")}, SignedHeaders=${signedHeaders.join(";")}, Signature=${signature}`;
  const request = { headers, query, body };
  draft.tamper?.(request);
  const url = request.query === "" ? `${sts.url}/` : `${sts.url}/?${request.query}`;
  const response = await fetch(url, { method, headers, ...(method === "POST" && { body: request.body }) });
  const text = await response.text();
  const code = /<Code>(.*)<\/Code>/.exec(text)?.[1] ?? "ok";
  return { status: response.status, code, message: /<Message>(.*)<\/Message>/.exec(text)?.[1] ?? "", text };
}
