// The broker without a daemon: for one command of a client, in its process (KEYHOLE_DISABLE). No socket, no lock;
// it writes no file, and what it knows ends with it. STS is called by a worker, as for a daemon.
import { createSessionConfigs } from "./sessions/selection.ts";
import { type Environment, selectBaseEnvironment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { loadNative } from "../native/load.ts";
import type { Settings } from "../settings.ts";
import { version } from "../version.ts";
import { CONTROL_REQUEST_LIMIT, FrameDecoder } from "../wire/frame.ts";
import { createRequestAudit } from "./audit/requests.ts";
import { systemClock } from "../clock.ts";
import { type Caller, createDispatch } from "../server/dispatch.ts";
import type { Grants } from "./grants/grants.ts";
import { createHandlers } from "./handlers.ts";
import { memoryPath, readLoaded } from "./sessions/memory.ts";
import { Keyring } from "./sessions/static-keys.ts";
import { Sessions } from "./sessions/sessions.ts";
import { createSource, MAX_FLIGHTS } from "./credential-source.ts";

export interface InProcessBroker {
  /** Takes the frame of a request, gives the frame of its reply. */
  exchange(request: Uint8Array): Promise<Uint8Array>;
  /** Forgets everything, and ends the worker. */
  close(): void;
}

export function openInProcess({ paths, maxSessions }: Settings, environment: Environment): InProcessBroker {
  // Its children load libc first, to close /proc/PID to others; a failure has its message here, and not in a child.
  loadNative();
  const uid = process.geteuid?.() ?? -1;
  const { source, transport, codes } = createSource(paths.socket, uid, selectBaseEnvironment(environment));
  const configs = createSessionConfigs(paths.defaultConfigDir, () => {});
  configs.know(readLoaded(memoryPath(paths)));
  const sessions = new Sessions({
    source,
    configs,
    clock: systemClock,
    random: Math.random,
    log: () => {},
    maxSessions,
    maxFlights: MAX_FLIGHTS,
  });
  const handlers = createHandlers({
    sessions,
    codes,
    grants: noGrants,
    configs,
    configDir: paths.defaultConfigDir,
    socketPath: paths.socket,
    log: () => {},
    audit: createRequestAudit(() => {}, systemClock, "control"),
    self: { version, pid: process.pid },
    // A session that waits for its keys comes from the daemon's memory, which this process does not open.
    keyring: new Keyring(() => {}),
    base: environment,
    status: refuse,
    stop: refuse,
  });
  const dispatch = createDispatch(handlers, () => {}, true);
  const caller: Caller = { uid, gid: process.getegid?.() ?? -1, pid: process.pid, connection: 1 };
  return {
    exchange: async (request) => {
      const [frame] = new FrameDecoder(CONTROL_REQUEST_LIMIT).push(request);
      if (frame === undefined) throw new KeyholeError("bad-request", "half a request");
      return dispatch(frame, caller);
    },
    close: () => {
      sessions.stop();
      transport.close();
    },
  };
}

function refuse(): never {
  throw new KeyholeError("usage", "this needs the daemon, and KEYHOLE_DISABLE is set", "unset KEYHOLE_DISABLE");
}

const noGrants: Grants = {
  connections: 0,
  add: refuse,
  run: refuse,
  list: refuse,
  source: refuse,
  set: refuse,
  revoke: refuse,
  remove: refuse,
  question: refuse,
  answer: refuse,
  reload: () => Promise.resolve(),
  close: () => Promise.resolve(),
};
