// Whether a host can be reached at all. Bun's fetch has no deadline for connecting alone (only for everything), and a
// network that swallows packets must be told from an STS that takes its time.
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type PeerCertificate } from "node:tls";
import type { Clock } from "../../clock.ts";
import { proxyAuthorizationOf } from "./proxy.ts";

/** Whether a TCP connection to the host of `url` is made within `deadline` milliseconds; it is closed at once. */
export async function canConnect(url: URL, deadline: number, clock: Clock): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(addressOf(url));
  const timer = clock.after(deadline, () => resolve(false));
  socket.once("connect", () => resolve(true));
  socket.once("error", () => resolve(false));
  try {
    return await promise;
  } finally {
    timer.cancel();
    // What fails after this is of no interest, and must not be thrown.
    socket.on("error", () => {});
    socket.destroy();
  }
}

/**
 * Who issued the certificate that is shown for `url`, which is not trusted: the person may know a company's proxy by it.
 * Nothing is sent but the question for a tunnel.
 *
 * @param proxy its URL, where it is asked through one; one that is reached by TLS itself is not asked
 */
export async function issuerOf(
  url: URL,
  proxy: string | undefined,
  deadline: number,
  clock: Clock,
): Promise<string | undefined> {
  const way = proxy === undefined ? url : URL.parse(proxy);
  if (way === null || (proxy !== undefined && way.protocol !== "http:")) return undefined;
  const question = proxy === undefined ? undefined : tunnelTo(url, way);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const sockets: Socket[] = [];
  const give = () => resolve(undefined);
  const open = <Opened extends Socket>(socket: Opened): Opened => {
    sockets.push(socket.on("error", give).on("close", give));
    return socket;
  };
  const timer = clock.after(deadline, give);
  const socket = open(connect(addressOf(way)));
  const look = () => {
    const { host } = addressOf(url);
    const secured = open(
      connectTls({ socket, rejectUnauthorized: false, ...(isIP(host) ? {} : { servername: host }) }),
    );
    secured.once("secureConnect", () => {
      const { issuer }: Partial<PeerCertificate> = secured.getPeerCertificate();
      resolve([issuer?.CN, issuer?.O].flat().filter(Boolean).join(", ") || undefined);
    });
  };
  socket.once("connect", () => {
    if (question === undefined) return look();
    socket.once("data", (answer) => (/^HTTP\/1\.\d 2/.test(String(answer)) ? look() : socket.destroy()));
    return socket.write(question);
  });
  try {
    return await promise;
  } finally {
    timer.cancel();
    for (const each of sockets) each.destroy();
  }
}

function tunnelTo(url: URL, proxy: URL): string {
  const host = `${url.hostname}:${addressOf(url).port}`;
  const authorization = proxyAuthorizationOf(proxy);
  const header = authorization === undefined ? "" : `Proxy-Authorization: ${authorization}\r\n`;
  return `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n${header}\r\n`;
}

function addressOf(url: URL): { readonly host: string; readonly port: number } {
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  // An IPv6 address stands in brackets in a URL only.
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port };
}
