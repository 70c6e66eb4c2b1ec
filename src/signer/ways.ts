// The ways to AWS: its hosts themselves, or the proxy that the owner's variables name. Connections are kept.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { codeOf } from "../errors.ts";
import { type Proxies, proxyAuthorizationOf, proxyFor, proxyHostOf } from "../sources/sts/proxy.ts";
import type { Upstream } from "./host.ts";
import type { Header } from "./sigv4.ts";

export interface Way {
  /** As `http.request` does, for what is written as it is. */
  begin(request: {
    readonly method: string;
    readonly path: string;
    readonly headers: readonly Header[];
  }): http.ClientRequest;
  /** Without user and password; undefined: the host itself is asked. */
  readonly proxy: string | undefined;
}

/** AWS was not reached through a proxy. */
export class Unreachable extends Error {}

/** Milliseconds for a proxy to make a tunnel. */
const TUNNEL_DEADLINE = 10_000;

/**
 * @param verify a file of certificates to trust instead of the system's; false trusts any
 * @param most connections at once
 */
export function createWays(verify: string | boolean, proxies: Proxies, most: number): (upstream: Upstream) => Way {
  const pool = { keepAlive: true, maxSockets: most };
  const secured = {
    ...pool,
    rejectUnauthorized: verify !== false,
    ...(typeof verify === "string" && { ca: readFileSync(verify) }),
  };
  const agents = { http: new http.Agent(pool), https: new https.Agent(secured) };
  const tunnels = new Map<string, https.Agent>();

  function tunnelsOf(proxy: string): https.Agent {
    const known = tunnels.get(proxy);
    if (known !== undefined) return known;
    const agent = new https.Agent({ ...secured, proxyEnv: { HTTPS_PROXY: proxy } });
    tunnels.set(proxy, agent);
    return agent;
  }

  return ({ isTls, host, port = isTls ? 443 : 80 }) => {
    const address = host.replaceAll(/^\[|\]$/g, "");
    const url = new URL(`${isTls ? "https" : "http"}://${host}:${port}`);
    const proxy = proxyFor(url, proxies);
    const begin = (options: https.RequestOptions, { headers, ...written }: Parameters<Way["begin"]>[0]) =>
      (isTls ? https : http).request({ setHost: false, ...options, ...written, headers: headers.flat() });
    // An address is no name of a server: RFC 6066, 3.
    const direct = { host: address, port, ...(isIP(address) === 0 && { servername: address }) };
    if (proxy === undefined)
      return { proxy, begin: (written) => begin({ ...direct, agent: isTls ? agents.https : agents.http }, written) };
    const via = URL.parse(proxy);
    const name = proxyHostOf(proxy);
    // Bun would go directly where it does not know a proxy's protocol.
    if (via === null || (via.protocol !== "http:" && !(isTls && via.protocol === "https:")))
      throw new Unreachable(`the proxy ${name} is none of HTTP's`);
    if (isTls)
      return {
        proxy: name,
        begin: (written) => begin({ ...direct, agent: tunnelsOf(proxy), timeout: TUNNEL_DEADLINE }, written),
      };
    const authorization = proxyAuthorizationOf(via);
    return {
      proxy: name,
      // RFC 9112, 3.2.2.
      begin: ({ method, path, headers }) =>
        begin(
          {
            agent: agents.http,
            host: via.hostname.replaceAll(/^\[|\]$/g, ""),
            port: via.port === "" ? 80 : Number(via.port),
          },
          {
            method,
            path: `${url.origin}${path}`,
            headers: authorization === undefined ? headers : [...headers, ["proxy-authorization", authorization]],
          },
        ),
    };
  };
}

/** What a holder is told: never the proxy's URL, which may hold a password. */
export function unreachable(proxy: string, error: unknown): Unreachable {
  const { statusCode } = error as { readonly statusCode?: unknown };
  return new Unreachable(
    Number.isInteger(statusCode)
      ? `the proxy ${proxy} does not let keyhole through (${String(statusCode)})`
      : `${codeOf(error) ?? "the connection failed"} through the proxy ${proxy}`,
  );
}
