// A grant that signs: its socket `sign`, and the process that listens there while it is used. The first connection
// starts that process, whose socket then takes the place of ours; `keyhole relay` connects again. When it was not used
// for a while, or it has ended, ours is back.
import { lstatSync, renameSync, rmSync } from "node:fs";
import type { AuditEvent } from "../../audit/line.ts";
import type { Clock, Timer } from "../../clock.ts";
import type { ConfigReader } from "../../config/config.ts";
import { KeyholeError, keyholeErrorOf } from "../../errors.ts";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { type FileIdentity, isAt } from "../../files/identity.ts";
import { configNameOf, stateOf } from "../../grants/grant.ts";
import type { Listener } from "../../server/listener.ts";
import type { LimitedLog } from "../../server/log.ts";
import { openBinding } from "../../server/socket.ts";
import type { EndpointSettings } from "../../signer/host.ts";
import { type FromSigner, LARGEST_LINE, type SignerStart, type ToSigner } from "../../signer/protocol.ts";
import type { Entry } from "../../signer/request.ts";
import { peerOf } from "../../server/peers.ts";
import { readLines } from "../../text/lines.ts";
import { overBase } from "../../environment.ts";
import { proxiesOf } from "../../sources/sts/proxy.ts";
import { nowhere } from "../../sources/run-program.ts";
import type { Issue } from "../sessions/issue.ts";
import type { LiveGrant } from "./livegrants.ts";
import { refusalOf } from "./socket.ts";

export interface SigningDependencies {
  /** What starts a signer. */
  readonly signerCommand: readonly string[];
  /** Private; where a signer binds. */
  readonly signerDirectory: string;
  /** All that a signer gets. */
  readonly signerEnvironment: Readonly<Record<string, string>>;
  readonly configs: ConfigReader;
  readonly clock: Clock;
  readonly log: LimitedLog;
  readonly record: (event: AuditEvent) => void;
  readonly now: (live: LiveGrant) => number;
  readonly vend: (live: LiveGrant) => Issue | Promise<Issue>;
  /** A connection more. */
  readonly accepted: () => void;
  /** @throws KeyholeError `denied` */
  readonly confirm: (live: LiveGrant, question: string) => Promise<void>;
}

export interface Signing {
  /** Those of the signer, which has descriptors of its own. */
  readonly connections: number;
  /** Operations and refusals since the daemon began. */
  counts(): { name: string; value: number }[];
}

/** Milliseconds without a connection after which a signer ends. */
const IDLE = 30_000;
/** Milliseconds in which a signer listens. */
const PATIENCE = 10_000;
/** Connections that wait for the first signer. */
const MOST_HELD = 64;
/** Milliseconds between the beginnings of two signers, of which the first ended at once. */
const PAUSE = 1_000;
/** Different operations that are counted by name. */
const MOST_COUNTED = 200;
const SOCKET_MODE = 0o666;

type Child = Bun.Subprocess<"pipe", "pipe", "ignore" | "pipe">;

export async function openSigning(
  live: LiveGrant,
  dependencies: SigningDependencies,
): Promise<{ readonly listener: Listener; readonly signing: Signing }> {
  const { clock, log, signerDirectory } = dependencies;
  const { name } = live.grant;
  const held = new Set<Bun.Socket>();
  const counted = new Map<string, number>();
  let child: Child | undefined;
  /** With those that end when their connections have: they too have keys. */
  const children = new Set<Child>();
  let notBefore = -Infinity;
  let asking: { readonly text: string; readonly outcome: Promise<void> } | undefined;
  /** The signer's socket, where it has taken the place of ours. */
  let theirs: FileIdentity | undefined;
  let connections = 0;
  let idle: Timer | undefined;
  let late: Timer | undefined;
  let again: Timer | undefined;
  let isClosed = false;

  const binding = await openBinding<undefined>(
    { path: live.mount.makeWay("sign"), mode: SOCKET_MODE, replaces: true, clock, log },
    {
      open: (socket) => {
        const isActive = stateOf(live.grant, dependencies.now(live)) === "active";
        // It was in the queue of our socket when the signer's took its place, or comes too soon: it connects again.
        const isLost = isActive && (theirs !== undefined || clock.monotonic() < notBefore);
        if (isLost || held.size >= MOST_HELD) {
          socket.terminate();
          return;
        }
        held.add(socket);
        if (isActive) {
          // What it sends stays with the one that will send it again.
          socket.pause();
          start();
        }
        dependencies.accepted();
      },
      data: (socket) => {
        const state = stateOf(live.grant, dependencies.now(live));
        if (state !== "active") socket.end(refusal(refusalOf(state, name)));
      },
      close: (socket) => void held.delete(socket),
      error: (socket) => socket.terminate(),
    },
  );

  function drop(socket: Bun.Socket): void {
    held.delete(socket);
    socket.terminate();
  }

  const release = () => held.forEach(drop);

  function start(): void {
    if (child !== undefined || isClosed) return;
    try {
      ensurePrivateDirectory(signerDirectory);
      const socket = `sign-${Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex")}`;
      const started = Bun.spawn([...dependencies.signerCommand], {
        env: { ...dependencies.signerEnvironment },
        cwd: signerDirectory,
        stdin: "pipe",
        stdout: "pipe",
        stderr: nowhere(),
        detached: true,
      });
      started.unref();
      child = started;
      children.add(started);
      notBefore = clock.monotonic() + PAUSE;
      late = clock.after(PATIENCE, () => {
        started.kill("SIGKILL");
        fail(new KeyholeError("internal", "its signer does not begin"));
      });
      void attend(started, socket);
      tell(started, startOf(socket));
    } catch (error) {
      fail(error);
    }
  }

  function startOf(socket: string): SignerStart {
    const { sign, dummy, rate, environment } = live.grant;
    if (sign === undefined || dummy === undefined) throw new KeyholeError("internal", "a grant signs without its keys");
    const { config } = dependencies.configs.read(configNameOf(live.grant));
    const outside = overBase(dependencies.signerEnvironment, live.environment ?? environment);
    // As of STS: what the config says counts before a variable, and `true` means the certificates of the system.
    const verify = config.STS?.verify ?? outside["AWS_CA_BUNDLE"] ?? true;
    const endpoints: EndpointSettings = {
      fips: config.Sign?.use_fips_endpoint ?? environment["AWS_USE_FIPS_ENDPOINT"] === "true",
      dualStack: config.Sign?.use_dualstack_endpoint ?? environment["AWS_USE_DUALSTACK_ENDPOINT"] === "true",
      url: config.Sign?.endpoint_url,
      services: {},
    };
    return {
      socket,
      port: sign.listen ? sign.port : undefined,
      dummy,
      policy: sign,
      rate,
      endpoints,
      proxies: proxiesOf(outside),
      verify,
    };
  }

  async function attend(own: Child, socket: string): Promise<void> {
    try {
      for await (const line of readLines(own.stdout, LARGEST_LINE)) hear(own, socket, JSON.parse(line) as FromSigner);
    } catch (error) {
      log("error", "signer failed", { grant: name, error: keyholeErrorOf(error).message });
      own.kill("SIGKILL");
    }
    await own.exited;
    children.delete(own);
    rmSync(`${signerDirectory}/${socket}`, { force: true });
    if (child === own) await restore();
  }

  function hear(own: Child, socket: string, message: FromSigner): void {
    if ("ready" in message) takePlace(own, socket);
    else if ("failed" in message) {
      own.kill("SIGKILL");
      fail(new KeyholeError("internal", `its signer cannot listen: ${message.failed}`));
    } else if ("wants" in message) void giveKeys(own, message.wants);
    else if ("confirm" in message) void ask(own, message.confirm, message.text);
    else if ("record" in message) for (const entry of message.record) write(entry);
    else if (own === child) {
      connections = message.connections;
      watchIdleness();
    }
  }

  /** The name of the sandbox's socket leads to the signer from here on; who connected before connects again. */
  function takePlace(own: Child, socket: string): void {
    if (own !== child || isClosed) return;
    late?.cancel();
    try {
      const way = live.mount.makeWay("sign");
      renameSync(`${signerDirectory}/${socket}`, way);
      theirs = lstatSync(way);
      watchIdleness();
    } catch (error) {
      own.kill("SIGKILL");
      fail(error);
    }
    release();
  }

  function watchIdleness(): void {
    idle?.cancel();
    const isWanted = connections > 0 || live.grant.sign?.listen === true;
    idle = isWanted ? undefined : clock.after(IDLE, () => void retire());
  }

  /** Ours is back before it ends, so that no client finds a socket without a listener. */
  async function retire(): Promise<void> {
    const own = child;
    if (own === undefined) return;
    await restore();
    tell(own, { drain: true });
  }

  async function restore(): Promise<void> {
    late?.cancel();
    child = undefined;
    theirs = undefined;
    connections = 0;
    idle?.cancel();
    release();
    if (isClosed) return;
    try {
      live.mount.makeWay("sign");
      await binding.rebind();
    } catch (error) {
      fail(error);
    }
    serveHost();
  }

  /** At its port of the host no other process listens that could start a signer. */
  function serveHost(): void {
    if (live.grant.sign?.listen !== true) return;
    again?.cancel();
    again = clock.after(Math.max(0, notBefore - clock.monotonic()), () => {
      if (stateOf(live.grant, dependencies.now(live)) === "active") start();
    });
  }

  function end(): void {
    for (const own of children) own.kill("SIGKILL");
    release();
  }

  async function giveKeys(own: Child, id: number): Promise<void> {
    try {
      const state = stateOf(live.grant, dependencies.now(live));
      if (state !== "active") throw new KeyholeError(state, `grant ${name} is ${state}`);
      const { credentials, expiresAt } = await dependencies.vend(live);
      const { accessKeyId, secretAccessKey, sessionToken } = credentials;
      tell(own, { id, keys: { accessKeyId, secretAccessKey, sessionToken }, expiresAt });
    } catch (error) {
      live.lastError = keyholeErrorOf(error);
      tell(own, { id, error: refusalOf(live.lastError.kind, name).message });
    }
  }

  async function ask(own: Child, id: number, text: string): Promise<void> {
    let confirmed = true;
    try {
      await confirm(`let grant ${name} call ${text}?`);
    } catch {
      confirmed = false;
    }
    tell(own, { id, confirmed });
  }

  /** A yes is to what was asked, and to nothing that came meanwhile: one after the other, up to the first no. */
  async function confirm(text: string): Promise<void> {
    for (let other = asking; other !== undefined; other = asking) {
      if (other.text === text) return other.outcome;
      await other.outcome;
    }
    const outcome = dependencies.confirm(live, text);
    asking = { text, outcome };
    try {
      await outcome;
    } finally {
      asking = undefined;
    }
  }

  function write(entry: Entry): void {
    const { peer, refused, operation, resource, region, status, bytesUp, bytesDown, ms, requestId } = entry;
    if (refused !== undefined) live.refusals += 1;
    else live.grant = { ...live.grant, uses: live.grant.uses + 1 };
    const counts = [operation, refused && `refused: ${refused}`].flatMap((each) => each ?? []);
    for (const each of counts) {
      const key = counted.has(each) || counted.size < MOST_COUNTED ? each : "others";
      counted.set(key, (counted.get(key) ?? 0) + 1);
    }
    const { config, sessionName } = live.grant;
    dependencies.record({
      kind: "sign",
      transport: "sign",
      outcome: refused === undefined ? "ok" : "forbidden",
      grant: name,
      config,
      roleArn: live.roleArn,
      sessionName,
      peer: peer && peerOf(peer),
      operation,
      resource,
      region,
      status,
      bytesUp,
      bytesDown,
      ms,
      requestId,
      note: refused,
    });
  }

  function fail(error: unknown): void {
    live.lastError = keyholeErrorOf(error);
    log("error", "grant does not sign", { grant: name, error: live.lastError.message });
    release();
  }

  serveHost();
  return {
    signing: {
      get connections() {
        return connections;
      },
      counts: () =>
        [...counted].map(([each, value]) => ({ name: each, value })).toSorted((one, other) => other.value - one.value),
    },
    listener: {
      get connections() {
        return held.size;
      },
      get isInPlace() {
        return theirs === undefined ? binding.isInPlace : isAt(live.mount.makeWay("sign"), theirs);
      },
      // A signer's socket whose file is gone cannot be put back: another signer makes another.
      restore: async () => {
        end();
        await restore();
        return undefined;
      },
      yieldOne: () => {
        for (const socket of [...held].slice(0, 1)) drop(socket);
      },
      hangUp: end,
      close: async () => {
        isClosed = true;
        idle?.cancel();
        again?.cancel();
        end();
        binding.close();
        binding.terminate();
        await Promise.resolve();
      },
    },
  };
}

function tell(child: Child, message: SignerStart | ToSigner): void {
  // One that has ended is seen by who attends to it.
  void Promise.allSettled([child.stdin.write(`${JSON.stringify(message)}\n`), child.stdin.flush()]);
}

/** Of a grant that has ended: as much as every SDK shows of it. */
function refusal({ message }: KeyholeError): string {
  const body = `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDeniedException</Code><Message>keyhole: ${message}</Message></Error></ErrorResponse>`;
  const head = [
    "HTTP/1.1 403 Forbidden",
    "content-type: text/xml",
    "x-amzn-errortype: AccessDeniedException",
    "connection: close",
  ];
  return [...head, `content-length: ${Buffer.byteLength(body)}`, "", body].join("\r\n");
}
