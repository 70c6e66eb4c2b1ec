// A browser that is to open a secret URL. The words of a program can be read by every user of the machine, so that it is told
// an address of this process instead, which leads there once, and only a browser of this user's.
import { KeyholeError } from "../../errors.ts";

/** Milliseconds for a browser to start. */
const PATIENCE = 120_000;

export interface OpenContext {
  readonly platform: NodeJS.Platform;
  wait(milliseconds: number): Promise<void>;
  /** Starts the opener with an address, and does not wait for it. False where there is none. */
  open(program: string, address: string): boolean;
  /** The lines of the kernel's TCP sockets; undefined where the platform has none. */
  readonly sockets: () => string | undefined;
  readonly userId: () => number;
}

/** @throws KeyholeError `not-found` without an opener, `timeout` where no browser came */
export async function openInBrowser(url: URL, context: OpenContext, hint: string): Promise<void> {
  const path = `/${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url")}`;
  const came = Promise.withResolvers<true>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    reusePort: false,
    development: false,
    fetch(request) {
      const { pathname } = new URL(request.url);
      const port = server.requestIP(request)?.port;
      if (pathname !== path || request.method !== "GET" || !isOwn(port, server.port, context))
        return new Response("", { status: 404 });
      queueMicrotask(() => came.resolve(true));
      const headers = { location: url.href, "cache-control": "no-store", "referrer-policy": "no-referrer" };
      return new Response("", { status: 303, headers });
    },
  });
  try {
    const opener = context.platform === "darwin" ? "open" : "xdg-open";
    if (!context.open(opener, `http://127.0.0.1:${server.port}${path}`))
      throw new KeyholeError("not-found", `${opener}: command not found`, hint);
    const isThere = await Promise.race([came.promise, context.wait(PATIENCE)]);
    if (isThere !== true) throw new KeyholeError("timeout", "no browser has opened the address", hint);
    // The answer is on its way: who has it needs nothing more.
    await server.stop();
  } finally {
    await server.stop(true);
  }
}

/**
 * Whether the other end of a connection to `server` is of this user, as proc(5) has it: address and port of both ends, and
 * the uid. True where the platform does not say.
 */
function isOwn(port: number | undefined, server: number | undefined, { sockets, userId }: OpenContext): boolean {
  const table = sockets();
  if (table === undefined) return true;
  if (port === undefined || server === undefined) return false;
  const ends = `0100007F:${hex(port)} 0100007F:${hex(server)} `;
  const line = table.split("\n").find((each) => each.includes(ends));
  return line !== undefined && Number(line.trim().split(/\s+/)[7]) === userId();
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}
