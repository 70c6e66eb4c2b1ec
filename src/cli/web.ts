// The few questions that a client asks AWS by itself, on the way that this shell's variables say.
import type { Environment } from "../environment.ts";
import { codeOf, KeyholeError } from "../errors.ts";
import { proxiesOf, proxyFor } from "../sources/sts/proxy.ts";
import type { Host } from "./command.ts";

/** Milliseconds. */
const DEADLINE = 10_000;

interface WebAnswer {
  readonly status: number;
  /** Undefined for what is no JSON. */
  readonly body: unknown;
}

/** @throws KeyholeError `network` that names the host, and nothing else of the URL: it may hold a secret */
export async function getJson(
  url: URL,
  headers: Readonly<Record<string, string>>,
  { environment, host }: { readonly environment: Environment; readonly host: Pick<Host, "readForeign"> },
): Promise<WebAnswer> {
  const bundle = environment["AWS_CA_BUNDLE"];
  const [ca] = bundle ? await host.readForeign([bundle]) : [];
  if (ca instanceof KeyholeError) throw ca;
  const proxy = proxyFor(url, proxiesOf(environment));
  try {
    const response = await fetch(url, {
      headers: { accept: "application/json", ...headers },
      signal: AbortSignal.timeout(DEADLINE),
      // What is sent is for one host alone, and for no log.
      redirect: "manual",
      verbose: false,
      ...(proxy === undefined ? {} : { proxy }),
      ...(ca === undefined ? {} : { tls: { ca } }),
    });
    return { status: response.status, body: parse(await response.text()) };
  } catch (error) {
    const reason = error instanceof Error && error.name === "TimeoutError" ? "no answer in 10 s" : codeOf(error);
    throw new KeyholeError(
      "network",
      `no answer from ${url.host}: ${reason ?? "the connection failed"}`,
      "check the network and the proxy: env | grep -i proxy",
    );
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A text of an answer. */
export function textIn(body: unknown, name: string): string | undefined {
  const value =
    typeof body === "object" && body !== null ? (body as Readonly<Record<string, unknown>>)[name] : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}
