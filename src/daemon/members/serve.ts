// Shared mode: a second socket, for the members of a group, with a policy in front of the daemon's sessions. Its directory
// is made once, by `keyhole setup agent-access` as root or by a service manager; the daemon only looks whether it can be
// trusted, because its group decides who may come.
import { statSync } from "node:fs";
import type { RecordAudit } from "../../audit/line.ts";
import type { Clock } from "../../clock.ts";
import type { ConfigReader } from "../../config/config.ts";
import { isErrno, KeyholeError } from "../../errors.ts";
import { pathError, refuseForeign, refuseForeignParent } from "../../files/trust.ts";
import { descriptorOf, type Native } from "../../native/native.ts";
import { directoryOf, usualSharedSocket } from "../../paths.ts";
import { MOST_AT_ONCE } from "../../server/connection.ts";
import { createDispatch } from "../../server/dispatch.ts";
import { listen } from "../../server/listener.ts";
import type { LimitedLog } from "../../server/log.ts";
import type { WitnessedPeer } from "../../server/peers.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import { quotePosix } from "../../text/quoting.ts";
import { GRANT_REQUEST_LIMIT } from "../../wire/frame.ts";
import type { ResponseOf } from "../../wire/messages.ts";
import { createRequestAudit } from "../audit/requests.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { createSharedHandlers } from "./handlers.ts";
import { openPolicy, type PolicyState } from "./policy.ts";

/** The command that makes it. sudo lets no variable through. */
function setup(socket: string): string {
  const variable = socket === usualSharedSocket() ? "" : `KEYHOLE_SHARED_SOCKET=${quotePosix(socket)} `;
  return `sudo ${variable}keyhole setup agent-access --agent-user USER`;
}

/**
 * @param socket the shared socket
 * @param own the uid that this daemon runs as
 * @returns the group whose members may connect
 * @throws KeyholeError `unsafe-path` for a directory that is missing, belongs to neither `own` nor root, can
 *   be written by others, or whose group is root's.
 */
export function checkSharedDirectory(socket: string, own: number): number {
  const path = directoryOf(socket);
  const stats = statDirectory(path, socket);
  if (!stats.isDirectory()) throw new KeyholeError("unsafe-path", `${path} is not a directory`, setup(socket));
  refuseForeign(path, stats, [own, 0]);
  const parent = directoryOf(path);
  // /var/run is a link of root's to /run.
  refuseForeignParent(parent, statDirectory(parent, socket), [own, 0]);
  if (stats.gid !== 0) return stats.gid;
  throw new KeyholeError(
    "unsafe-path",
    `${path} belongs to the group of root: no member could connect by group`,
    setup(socket),
  );
}

function statDirectory(path: string, socket: string) {
  try {
    return statSync(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw pathError(error, path, "look at");
    throw new KeyholeError("unsafe-path", `the directory ${path} of the shared socket does not exist`, setup(socket));
  }
}

export interface SharedOptions {
  /** Absolute. */
  readonly socketPath: string;
  /** A service manager's socket that listens there already. */
  readonly inherited?: number | undefined;
  readonly policyPath: string;
  /** The uid that this daemon runs as. */
  readonly owner: number;
  readonly maxConnections: number;
  readonly sessions: Pick<Sessions, "vend" | "add">;
  readonly configs: ConfigReader;
  /** Of the configs that are shared; undefined for the default one. */
  readonly directory: string | undefined;
  /** What selects the source credentials of sessions that no client has added yet. */
  readonly environment: SourceEnvironment;
  readonly native: Pick<Native, "peerGroups"> & Partial<Pick<Native, "duplicate">>;
  readonly identify: (socket: object) => WitnessedPeer;
  readonly self: ResponseOf<"Hello">;
  readonly clock: Clock;
  readonly log: LimitedLog;
  readonly record: RecordAudit;
}

export interface Shared {
  readonly socketPath: string;
  /** What is wrong with the policy at this moment, for `daemon status`. */
  problems(): readonly string[];
  reload(): void;
  close(patience: number): Promise<void>;
}

/** Members of the directory's group may connect. */
const SOCKET_MODE = 0o660;

/** Milliseconds between two looks at the socket's file, as at the control socket's (server/watch-socket.ts). */
const LOOK = 2000;

/** @throws KeyholeError `unsafe-path` as checkSharedDirectory does, and what `listen` throws. */
export async function serveShared(options: SharedOptions): Promise<Shared> {
  const { socketPath, native, clock, log, sessions, configs, directory, environment, self } = options;
  const group = checkSharedDirectory(socketPath, options.owner);
  const policy = openPolicy(options.policyPath, options.owner, (state) => logState(state, log));
  const audit = createRequestAudit(options.record, clock, "shared");
  const handlers = createSharedHandlers({
    sessions,
    configs,
    directory,
    decision: () => policy.current().decision,
    environment,
    log,
    audit,
    self,
  });
  const listener = await listen({
    path: socketPath,
    mode: SOCKET_MODE,
    group,
    inherited: options.inherited,
    maxConnections: options.maxConnections,
    // No question there is longer than a config's name.
    requestLimit: GRANT_REQUEST_LIMIT,
    mostAtOnce: MOST_AT_ONCE,
    duplicate: (descriptor) => native.duplicate?.(descriptor),
    identify: (socket) => ({ ...options.identify(socket), groups: native.peerGroups(descriptorOf(socket)) }),
    // The modes of directory and socket have let it in; what it may have is the policy's business.
    isAllowed: () => true,
    dispatch: createDispatch(handlers, log, false),
    clock,
    log,
  });
  policy.current();
  let lost: KeyholeError | undefined;
  let timer = clock.after(LOOK, look);

  /** A service manager looks after its own socket. */
  function look(): void {
    if (options.inherited === undefined && !listener.isInPlace) void restore();
    timer = clock.after(LOOK, look);
  }

  async function restore(): Promise<void> {
    lost = await listener.restore(() => {
      if (checkSharedDirectory(socketPath, options.owner) !== group) throw otherGroup(socketPath);
    });
  }

  return {
    socketPath,
    problems: () => [
      ...(lost === undefined ? [] : [`no member can be served: ${lost.message}`]),
      ...policy.current().problems,
    ],
    reload: () => void policy.reload(),
    async close(patience) {
      timer.cancel();
      await listener.close(patience);
      audit.flush();
    },
  };
}

function otherGroup(socketPath: string): KeyholeError {
  const what = `${directoryOf(socketPath)} belongs to another group than when the daemon began`;
  return new KeyholeError("unsafe-path", what, "keyhole daemon restart");
}

function logState({ problems }: PolicyState, log: LimitedLog): void {
  if (problems.length === 0) log("info", "policy read");
  for (const problem of problems) log("warn", "policy not used as it is written", { problem });
}
