// The test STS: a real HTTP server on the loopback that speaks AWS's Query protocol and checks what it is sent.
import type { Call, Match } from "./calls.ts";
import type { Fault } from "./faults.ts";
import type { Key } from "./issuer.ts";
import type { MfaDevice } from "./mfa.ts";
import type { RoleDefinition } from "./roles.ts";
import { serveCall } from "./service.ts";
import { createState, type StsOptions } from "./state.ts";
import { type Certificate, generateCertificate } from "./tls.ts";

export type { Call, Fault, Key, MfaDevice, RoleDefinition };

export interface StsServerOptions extends StsOptions {
  /** Serve https, with this certificate or with one made by openssl for 127.0.0.1 and localhost. */
  readonly tls?: true | Certificate;
  /** Milliseconds since the epoch; the system's clock if absent. */
  readonly now?: () => number;
}

export interface Sts {
  readonly url: string;
  /** The certificate, PEM, which is its own authority; absent without TLS. */
  readonly certificate: string | undefined;
  /** The long-term pair of `arn:aws:iam::111122223333:user/developer`. */
  readonly root: Key;
  /** Every key the server knows, by access key id; a deleted one is refused. */
  readonly issued: Map<string, Key>;
  readonly calls: readonly Call[];
  /** The most calls that were under way at one time. */
  readonly peak: number;
  readonly faults: { add(fault: Fault): void; clear(): void };
  /** By ARN. */
  readonly roles: Map<string, RoleDefinition>;
  mfa: MfaDevice | undefined;
  /** Milliseconds by which the server's clock is ahead. */
  clockOffset: number;
  /** How many calls there were of an action (all, if absent) that match, whatever became of them. */
  count(action?: string, match?: Match): number;
  /** Resolves when the condition holds; it is looked at again whenever a call begins or ends. */
  until(condition: () => boolean): Promise<void>;
  /** No faults, no record, roles and clock as at the start. Issued keys stay good. */
  reset(): void;
  /** Stops listening and drops its connections, but keeps everything; connecting is then refused. */
  suspend(): Promise<void>;
  /** Listens again, on the same port. */
  resume(): void;
  stop(): Promise<void>;
}

export function startSts(options: StsServerOptions = {}): Sts {
  const { tls, now = Date.now, ...rest } = options;
  const state = createState(rest, now);
  const certificate = tls === true ? generateCertificate() : tls;
  const listen = (port: number) =>
    Bun.serve({
      hostname: "127.0.0.1",
      port,
      // Seconds. A call may be told to hang for longer than any timeout.
      idleTimeout: 0,
      development: false,
      ...(certificate && { tls: certificate }),
      fetch: (request) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/") return serveCall(state, request);
        return new Response("<UnknownOperationException/>\n", { status: 404 });
      },
    });
  let server = listen(0);
  const port = server.port!;
  const stop = async () => {
    await server.stop(true);
    state.faults.clear();
  };
  return {
    url: `${certificate === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    certificate: certificate?.cert,
    root: state.issuer.root,
    issued: state.issuer.keys,
    calls: state.calls.all,
    get peak() {
      return state.calls.peak;
    },
    faults: state.faults,
    roles: state.roles,
    get mfa() {
      return state.mfa.device;
    },
    set mfa(device) {
      state.mfa.device = device;
    },
    get clockOffset() {
      return state.clockOffset;
    },
    set clockOffset(milliseconds) {
      state.clockOffset = milliseconds;
    },
    count: (action, match) => state.calls.count(action, match),
    until: (condition) => state.calls.until(condition),
    reset: () => state.reset(),
    suspend: () => server.stop(true),
    resume: () => {
      server = listen(port);
    },
    stop,
  };
}
