// Probes of sockets, ports, programs and directories in a sandbox: each has a deadline, and none asks for credentials.
import { closeSync, constants, mkdtempSync, openSync, rmdirSync } from "node:fs";
import { askOnce } from "../../client/asking.ts";
import { isErrno, KeyholeError } from "../../errors.ts";
import { loadNative } from "../../native/load.ts";
import { version } from "../../version.ts";
import { lookBehind, may } from "./files.ts";
import { askVersion } from "./machines.ts";

/**
 * `grant`: answers Fetch alone. `control`: answers everything. `blocked`: connecting is not permitted. `none`: there is
 * no such socket, or none that listens. `silent`: it accepts and says nothing. `other`: what it says is not ours.
 */
export type Answerer = "grant" | "control" | "blocked" | "none" | "silent" | "other";

export interface Probes {
  readonly askSocket: (path: string) => Promise<Answerer>;
  /** Connects to a Unix socket and says nothing. */
  readonly canConnect: (path: string) => boolean;
  readonly canReach: (host: string, port: number) => Promise<boolean>;
  /** The status that a HEAD without a token gets; undefined where no HTTP is spoken. */
  readonly getStatus: (url: URL) => Promise<number | undefined>;
  /** Whether keyhole's executable there says its version. */
  readonly canRun: (program: string) => Promise<boolean>;
  /** Tries to make a file in a directory, without a name where the file system has that; else one that is gone again. */
  readonly canMakeFile: (directory: string) => boolean;
  /** What root of a user namespace, which this sandbox may allow, sees in a directory that is closed to its user. */
  readonly namesForRoot: (directory: string) => readonly string[];
}

/** Milliseconds. What is on this machine answers at once; what a firewall swallows never does. */
const PATIENCE = 1000;

export const probes: Probes = {
  askSocket,
  canConnect: (path) => loadNative().connectFailure(path) === undefined,
  canReach,
  getStatus,
  canRun,
  canMakeFile,
  namesForRoot,
};

async function canRun(program: string): Promise<boolean> {
  try {
    return (await askVersion(program)) !== undefined;
  } catch {
    return false;
  }
}

/** asm-generic/fcntl.h: O_TMPFILE, which Node does not name. */
const O_TMPFILE = 0o20200000;

function canMakeFile(directory: string): boolean {
  try {
    if (process.platform === "linux") closeSync(openSync(directory, O_TMPFILE | constants.O_WRONLY, 0o600));
    else rmdirSync(mkdtempSync(`${directory}/.keyhole-doctor-`));
    return true;
  } catch (error) {
    if (!isErrno(error, "EOPNOTSUPP", "EISDIR")) return false;
  }
  return may(directory, "write");
}

function namesForRoot(directory: string): string[] {
  if (process.platform !== "linux" || lookBehind(directory) === undefined) return [];
  try {
    const command = ["unshare", "--map-root-user", "ls", "--", directory];
    const { stdout } = Bun.spawnSync(command, { stdio: ["ignore", "pipe", "ignore"], timeout: PATIENCE });
    return stdout.toString().split("\n").filter(Boolean);
  } catch {
    // No util-linux here.
    return [];
  }
}

/** Hello, which a grant refuses like everything but Fetch: it costs no use, and the answer is a grant's. */
async function askSocket(path: string): Promise<Answerer> {
  try {
    await askOnce(path, PATIENCE, "Hello", { version });
    return "control";
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    return answerers[error.kind] ?? "other";
  }
}

const answerers: Partial<Record<KeyholeError["kind"], Answerer>> = {
  forbidden: "grant",
  blocked: "blocked",
  unreachable: "none",
  timeout: "silent",
};

function canReach(hostname: string, port: number): Promise<boolean> {
  return within(
    (settle) => ({ open: () => settle(true), close: () => settle(false), data: () => {} }),
    { hostname, port },
    false,
  );
}

/** Not `fetch`, which would go through a proxy; not GET, which a service that wants no token would answer with keys. */
function getStatus({ hostname, port, host, pathname }: URL): Promise<number | undefined> {
  const request = `HEAD ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  return within<number | undefined>(
    (settle) => ({
      open: (socket) => void socket.write(request),
      data: (_, chunk) => settle(statusIn(chunk)),
      close: () => settle(undefined),
    }),
    { hostname: hostname.replaceAll(/[[\]]/g, ""), port: Number(port || 80) },
    undefined,
  );
}

function statusIn(chunk: Uint8Array): number | undefined {
  const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(new TextDecoder().decode(chunk)) ?? [];
  return status === undefined ? undefined : Number(status);
}

/** One TCP connection, until `settle` is called or the patience ends; then it is closed. */
function within<Result>(
  handle: (settle: (result: Result) => void) => Bun.SocketHandler,
  where: { readonly hostname: string; readonly port: number },
  otherwise: Result,
): Promise<Result> {
  return new Promise((resolve) => {
    let connected: Bun.Socket<unknown> | undefined;
    const settle = (result: Result) => {
      clearTimeout(timer);
      resolve(result);
      connected?.terminate();
    };
    const timer = setTimeout(() => settle(otherwise), PATIENCE);
    const handlers = handle(settle);
    const socket: Bun.SocketHandler = {
      binaryType: "uint8array",
      ...handlers,
      open: (opened) => {
        connected = opened;
        void handlers.open?.(opened);
      },
      connectError: () => settle(otherwise),
      error: () => settle(otherwise),
    };
    Bun.connect({ ...where, socket }).catch(() => settle(otherwise));
  });
}
