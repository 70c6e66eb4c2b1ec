// Against smithy's signer, which every AWS SDK for JavaScript uses.
import { expect, test } from "bun:test";
import { SignatureV4 } from "@smithy/signature-v4";
import * as fc from "fast-check";
import {
  ALGORITHM,
  type Header,
  normalize,
  readClaim,
  type Request,
  sha256,
  signRequest,
  timeOf,
  verify,
  withoutParameter,
} from "../../src/signer/sigv4.ts";
import { Sha256 } from "./sha256.ts";

const SECRET = "dummysecret";
const ID = "ASIADUMMYDUMMYDUMMY0";
const NOW = Date.UTC(2026, 10, 29, 1, 2, 3);

function signerFor(service: string) {
  return new SignatureV4({
    credentials: { accessKeyId: ID, secretAccessKey: SECRET },
    region: "eu-west-1",
    service,
    sha256: Sha256 as never,
    uriEscapePath: service !== "s3",
    applyChecksum: false,
  });
}

/** A request as a client of smithy signs it. */
async function signed(service: string, path: string, query: Record<string, string>, headers: Record<string, string>) {
  const request = {
    method: "PUT",
    protocol: "http:",
    hostname: "127.0.0.1",
    port: 27001,
    path,
    query,
    headers: { host: "127.0.0.1:27001", "x-amz-content-sha256": sha256("body"), ...headers },
  };
  const { headers: all } = await signerFor(service).sign(request, { signingDate: new Date(NOW) });
  const text = new URLSearchParams(query)
    .toString()
    .replaceAll("+", "%20")
    .replaceAll("*", "%2A")
    .replaceAll("%7E", "~");
  const own: Request = { method: "PUT", path, query: text, headers: Object.entries(all) as Header[] };
  return own;
}

/** `__proto__` is no key of smithy's own query. */
const word = fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).filter((text) => text !== "__proto__");
const path = fc.array(word, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.map(encode).join("/")}`);

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}

test.each(["s3", "dynamodb"])("what smithy signs for %s holds, and nothing that was changed does", async (service) => {
  await fc.assert(
    fc.asyncProperty(path, fc.dictionary(word, word, { maxKeys: 3, noNullPrototype: true }), async (where, query) => {
      const request = await signed(service, where, query, { "x-amz-meta-a": "  two   spaces " });
      const claim = readClaim(request)!;
      expect(claim).toMatchObject({ accessKeyId: ID, scope: { region: "eu-west-1", service } });
      expect(timeOf(claim)).toBe(NOW);
      expect(verify(request, claim, sha256("body"), SECRET)).toBeDefined();
      expect(verify(request, claim, sha256("other"), SECRET)).toBeUndefined();
      expect(verify(request, claim, sha256("body"), "other")).toBeUndefined();
      expect(verify({ ...request, path: `${where}x` }, claim, sha256("body"), SECRET)).toBeUndefined();
      expect(verify({ ...request, query: `${request.query}&a=b` }, claim, sha256("body"), SECRET)).toBeUndefined();
      const headers = request.headers.map(([name, value]): Header => [name, name === "x-amz-meta-a" ? "x" : value]);
      expect(verify({ ...request, headers }, claim, sha256("body"), SECRET)).toBeUndefined();
    }),
    { numRuns: 60 },
  );
});

const signatureOf = (text: string | undefined) => text?.split("Signature=")[1];

test("what is signed anew is what smithy would have signed", async () => {
  const keys = { accessKeyId: ID, secretAccessKey: SECRET, sessionToken: "token" };
  const own = signRequest(
    {
      method: "PUT",
      path: "/bucket/a%20b",
      query: "x=1",
      headers: [
        ["host", "s3.eu-west-1.amazonaws.com"],
        ["x-amz-content-sha256", sha256("body")],
      ],
    },
    { keys, scope: { region: "eu-west-1", service: "s3" }, now: NOW, pathForm: "as-is", payloadHash: sha256("body") },
  );
  const theirs = await signerFor("s3").sign(
    {
      method: "PUT",
      protocol: "https:",
      hostname: "s3.eu-west-1.amazonaws.com",
      path: "/bucket/a%20b",
      query: { x: "1" },
      headers: {
        host: "s3.eu-west-1.amazonaws.com",
        "x-amz-content-sha256": sha256("body"),
        "x-amz-security-token": "token",
      },
    },
    { signingDate: new Date(NOW) },
  );
  const authorization = own.headers.find(([name]) => name === "authorization")?.[1];
  expect(signatureOf(authorization)).toBe(signatureOf(theirs.headers["authorization"]));
});

test("a signature in the query holds, and only once", async () => {
  const request = await signerFor("s3").presign(
    {
      method: "GET",
      protocol: "http:",
      hostname: "127.0.0.1",
      port: 27001,
      path: "/bucket/key",
      query: { "response-content-type": "text/plain" },
      headers: { host: "127.0.0.1:27001" },
    },
    { signingDate: new Date(NOW), expiresIn: 60 },
  );
  const query = Object.entries(request.query as Record<string, string>)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join("&");
  const own: Request = { method: "GET", path: "/bucket/key", query, headers: [["host", "127.0.0.1:27001"]] };
  const claim = readClaim(own)!;
  expect(claim.isPresigned).toBe(true);
  expect(verify(own, claim, sha256(""), SECRET)).toBeDefined();
  expect(readClaim({ ...own, query: `${query}&X-Amz-Signature=0` })).toBeUndefined();
  expect(readClaim({ ...own, headers: [...own.headers, ["authorization", "x"]] })).toBeUndefined();
});

test.each([
  ["no algorithm", "Credential=A/20261129/r/s/aws4_request, SignedHeaders=host, Signature=0"],
  ["another algorithm", `${ALGORITHM.replace("256", "512")} Credential=A/20261129/r/s/aws4_request`],
  ["no signature", `${ALGORITHM} Credential=A/20261129/r/s/aws4_request, SignedHeaders=host`],
  ["a short one", `${ALGORITHM} Credential=A/20261129/r/s/aws4_request, SignedHeaders=host, Signature=00`],
  [
    "another scope",
    `${ALGORITHM} Credential=A/20261129/r/s/aws5_request, SignedHeaders=host, Signature=${"0".repeat(64)}`,
  ],
])("an authorization with %s is none", (_, value) => {
  const headers: Header[] = [
    ["authorization", value],
    ["x-amz-date", "20261129T010203Z"],
  ];
  expect(readClaim({ method: "GET", path: "/", query: "", headers })).toBeUndefined();
});

test.each([
  ["/a//b/../c/./d", "/a/c/d"],
  ["/../../a/", "/a/"],
  ["/", "/"],
])("%s is %s to services but S3", (from, to) => {
  expect(normalize(from)).toBe(to);
});

test("a parameter is taken out, and every other byte stays", () => {
  expect(withoutParameter("a=%2f&X-Amz%2dDate=1&b&c=+", "X-Amz-Date")).toBe("a=%2f&b&c=+");
});
