// Which proxy a URL is asked through, by the requester's variables. Bun knows those of its own process alone, and
// one process calls STS for many.
import type { Environment } from "../../environment.ts";

export interface Proxies {
  readonly https: string | undefined;
  readonly http: string | undefined;
  /** The hosts that are asked without. */
  readonly no: string;
}

export function proxiesOf(environment: Environment): Proxies {
  const variable = (name: string) => environment[name.toLowerCase()] || environment[name] || undefined;
  const all = variable("ALL_PROXY");
  return { https: variable("HTTPS_PROXY") ?? all, http: variable("HTTP_PROXY") ?? all, no: variable("NO_PROXY") ?? "" };
}

/** The URL of a proxy; undefined where the host itself is asked. */
export function proxyFor(url: URL, { https, http, no }: Proxies): string | undefined {
  const proxy = url.protocol === "https:" ? https : http;
  if (proxy === undefined || isExempt(url, no)) return undefined;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

/** Without user and password. */
export function proxyHostOf(proxy: string): string {
  return URL.parse(proxy)?.host || "that is set, which is no URL";
}

/** The header Proxy-Authorization for a proxy's user; undefined where it has none. */
export function proxyAuthorizationOf({ username, password }: URL): string | undefined {
  if (username === "") return undefined;
  return `Basic ${Buffer.from([username, password].map(unescape).join(":")).toString("base64")}`;
}

/** @returns the text as it is where it is no URL encoding */
function unescape(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** As curl has it: `*`, a host, a domain with all below it; each with a port, or for all of them. */
function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list.split(/[\s,]+/).some((entry) => {
    const { domain, only } = parseEntry(entry.toLowerCase());
    if (domain === "*") return true;
    if (domain === "" || (only !== undefined && only !== port)) return false;
    return host === domain || host.endsWith(`.${domain}`);
  });
}

function parseEntry(entry: string): { readonly domain: string; readonly only: string | undefined } {
  // An IPv6 address without brackets has no port.
  if (/^[\da-f]*:[\da-f]*:/.test(entry)) return { domain: entry, only: undefined };
  const [, name = "", only] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(entry) ?? [];
  return { domain: name.replace(/^\*?\./, ""), only };
}
