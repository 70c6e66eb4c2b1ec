// An OpenID Connect provider, as clusters and CI services have one: its documents, and tokens that it signs.
import { generateCertificate } from "../sts/tls.ts";
import { freePort } from "./run.ts";

export interface Provider {
  readonly issuer: string;
  /** Of its certificate: SHA-1, as IAM has it. */
  readonly thumbprint: string;
  /** A JWT for this audience. @param seconds until it ends */
  token(audience: string, seconds: number): Promise<string>;
  stop(): Promise<void>;
}

const RS256 = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

export async function startProvider(): Promise<Provider> {
  const { key, cert } = generateCertificate([], "rsa:2048");
  const der = Buffer.from(cert.replaceAll(/-----[^\n]+|\n/g, ""), "base64");
  const pkcs8 = Buffer.from(key.replaceAll(/-----[^\n]+|\n/g, ""), "base64");
  const signer = await crypto.subtle.importKey("pkcs8", pkcs8, RS256, false, ["sign"]);
  const port = freePort();
  const issuer = `http://127.0.0.1:${port}`;
  // RGW 16 takes the key out of the certificate, and no key without one.
  const keys = [{ kid: "1", kty: "RSA", use: "sig", alg: "RS256", x5c: [der.toString("base64")] }];
  const documents: Readonly<Record<string, object>> = {
    "/.well-known/openid-configuration": { issuer, jwks_uri: `${issuer}/keys` },
    "/keys": { keys },
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    fetch: ({ url }) => {
      const document = documents[new URL(url).pathname];
      return document === undefined ? new Response("", { status: 404 }) : Response.json(document);
    },
  });
  return {
    issuer,
    thumbprint: new Bun.CryptoHasher("sha1").update(der).digest("hex").toUpperCase(),
    async token(aud, seconds) {
      const now = Math.floor(Date.now() / 1000);
      const claims = { iss: issuer, sub: "job-7", aud, iat: now - 60, nbf: now - 60, exp: now + seconds };
      const signed = [{ alg: "RS256", typ: "JWT", kid: "1" }, claims].map(base64url).join(".");
      const signature = await crypto.subtle.sign(RS256.name, signer, Buffer.from(signed));
      return `${signed}.${Buffer.from(signature).toString("base64url")}`;
    },
    stop: () => server.stop(true),
  };
}

function base64url(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}
