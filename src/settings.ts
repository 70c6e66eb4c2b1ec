// The global options: one table for the client and the daemon, each option with its variable. No I/O.
import type { ArgValues } from "./arguments.ts";
import type { Environment } from "./environment.ts";
import { KeyholeError } from "./errors.ts";
import { parseMode, parseSeconds, parseSwitch, parseWhole } from "./text/numbers.ts";
import { type Paths, resolvePaths } from "./paths.ts";

/** elhaz's options with their short forms, and a variable for each. */
export const settingOptions = {
  "config-dir": {
    type: "string",
    alias: "cd",
    valueHint: "PATH",
    variable: "KEYHOLE_CONFIG_DIR",
    description: "Directory of the configs (~/.keyhole/configs)",
  },
  "socket-path": {
    type: "string",
    alias: "sp",
    valueHint: "PATH",
    variable: "KEYHOLE_SOCKET",
    description: "Socket of the daemon (~/.keyhole/sock/daemon.sock)",
  },
  "logging-path": {
    type: "string",
    alias: "lp",
    valueHint: "PATH",
    variable: "KEYHOLE_LOGGING_PATH",
    description: "Log file of the daemon (~/.keyhole/logs/daemon.log)",
  },
  "max-unix-socket-connections": {
    type: "string",
    alias: "musc",
    valueHint: "N",
    variable: "KEYHOLE_MAX_UNIX_SOCKET_CONNECTIONS",
    description: "Connections that a daemon accepts at once (1024)",
  },
  "max-daemon-cache-size": {
    type: "string",
    alias: "mdcs",
    valueHint: "N",
    variable: "KEYHOLE_MAX_DAEMON_CACHE_SIZE",
    description: "Sessions that a daemon keeps (64)",
  },
  "client-timeout": {
    type: "string",
    alias: "ct",
    valueHint: "SECONDS",
    variable: "KEYHOLE_CLIENT_TIMEOUT",
    description: "How long a client waits for the daemon (20)",
  },
  once: {
    type: "boolean",
    variable: "KEYHOLE_AUTOSTART_ONCE",
    description: "The daemon serves one client and ends",
  },
} as const;

/** What only `keyhole --daemon` takes. */
export const daemonOptions = {
  shared: {
    type: "boolean",
    description: "With --daemon: serve the shared socket (/var/run/keyhole/keyhole.sock), too",
  },
} as const;

/** Those with a value. */
type SettingName = Exclude<keyof typeof settingOptions, "once">;

/** Everything that is not said on the command line of one command. */
export interface Settings {
  readonly paths: Paths;
  /** Whether an option or a variable says which socket. */
  readonly isSocketNamed: boolean;
  /** Whether an option or a variable says which configs. */
  readonly isConfigDirNamed: boolean;
  /**
   * Whether a shared daemon counts. A home of its own (KEYHOLE_HOME) is a keyhole of its own, which nothing outside
   * answers for, unless KEYHOLE_SHARED_SOCKET says so.
   */
  readonly usesShared: boolean;
  /** Connections that the daemon accepts at once; in elhaz this was the listen backlog. */
  readonly maxConnections: number;
  /** Sessions that the daemon keeps; the least recently used gives way. */
  readonly maxSessions: number;
  /** Milliseconds that a client waits for an answer. */
  readonly clientTimeout: number;
  /** Whether an option or a variable says how long; else a client waits on while the daemon is there. */
  readonly isTimeoutNamed: boolean;
  /** Whether a daemon that is started explicitly serves one client and ends. KEYHOLE_AUTOSTART_ONCE is not about it. */
  readonly once: boolean;
  /** What a client does that needs a daemon and finds none: starts one, one for itself alone, or fails. */
  readonly autostart: "always" | "once" | "never";
  /** KEYHOLE_AUTOSTART=1: a daemon is started also inside a container. */
  readonly isAutostartMeant: boolean;
  /** Whether a daemon that is started serves the shared socket, too. */
  readonly isShared: boolean;
  /** KEYHOLE_DISABLE: the broker runs inside of the client, whatever daemon there is. */
  readonly isInProcess: boolean;
  /** False with KEYHOLE_DISABLE_DISK_LOGS: neither log nor audit is written. */
  readonly hasDiskLogs: boolean;
  /** Permissions of the control socket. */
  readonly socketMode: number;
  /** Permissions of the socket's directory, if the daemon makes it. */
  readonly socketDirMode: number;
}

/** What the parser found; tests and the daemon may leave options out. */
export type SettingValues = Partial<ArgValues<typeof settingOptions & typeof daemonOptions>>;

/** Far below the descriptor limit that Bun raises for the daemon. */
const DEFAULT_CONNECTIONS = 1024;
/** More roles than a developer uses in a day; a session takes a few KiB. */
const DEFAULT_SESSIONS = 64;
/** Milliseconds: a cold request with its STS call and a retry. */
const DEFAULT_TIMEOUT = 20_000;
/** A list on the wire has a u16 count (wire/codec.ts), and so has Linux's highest useful descriptor cap. */
const HIGHEST_COUNT = 65_535;
/** Seconds. A wait of more than an hour is a mistake of units. */
const LONGEST_TIMEOUT = 3600;

/**
 * Options win over variables, variables over defaults. An empty variable counts as unset; an empty option is an error.
 *
 * @throws KeyholeError `usage` that names the option or the variable of a bad value, and never the value.
 */
export function resolveSettings(values: SettingValues, environment: Environment, cwd: () => string): Settings {
  const setting = (name: SettingName) => findSetting(name, values, environment);
  return {
    paths: resolvePaths(
      environment,
      {
        configDir: setting("config-dir")?.value,
        socket: setting("socket-path")?.value,
        log: setting("logging-path")?.value,
      },
      cwd,
    ),
    isSocketNamed: setting("socket-path") !== undefined,
    isConfigDirNamed: setting("config-dir") !== undefined,
    usesShared: !environment["KEYHOLE_HOME"] || Boolean(environment["KEYHOLE_SHARED_SOCKET"]),
    maxConnections: readCount(setting("max-unix-socket-connections")) ?? DEFAULT_CONNECTIONS,
    maxSessions: readCount(setting("max-daemon-cache-size")) ?? DEFAULT_SESSIONS,
    clientTimeout: readSeconds(setting("client-timeout")) ?? DEFAULT_TIMEOUT,
    isTimeoutNamed: setting("client-timeout") !== undefined,
    once: values.once === true,
    autostart: readAutostart(values, environment),
    isAutostartMeant: readVariable("KEYHOLE_AUTOSTART", environment, parseSwitch) === true,
    isShared: values.shared === true,
    isInProcess: readVariable("KEYHOLE_DISABLE", environment, parseSwitch) ?? false,
    hasDiskLogs: readVariable("KEYHOLE_DISABLE_DISK_LOGS", environment, parseSwitch) !== true,
    socketMode: readVariable("KEYHOLE_SOCKET_MODE", environment, parseSocketMode) ?? 0o600,
    socketDirMode: readVariable("KEYHOLE_SOCKET_DIR_MODE", environment, parseDirectoryMode) ?? 0o700,
  };
}

/** The options of a command line that resolves to these settings; what comes after `keyhole --daemon`. */
export function settingsToArguments(settings: Settings): string[] {
  const values: Record<SettingName, string> = {
    "config-dir": settings.paths.configDir,
    "socket-path": settings.paths.socket,
    "logging-path": settings.paths.log,
    "max-unix-socket-connections": String(settings.maxConnections),
    "max-daemon-cache-size": String(settings.maxSessions),
    "client-timeout": String(settings.clientTimeout / 1000),
  };
  // With `=`, so that a path that begins with a dash stays a value.
  const words = Object.entries(values).map(([name, value]) => `--${name}=${value}`);
  return [...words, ...(settings.once ? ["--once"] : []), ...(settings.isShared ? ["--shared"] : [])];
}

/** A value, and what a person calls the place it came from. */
interface Setting {
  readonly value: string;
  readonly origin: string;
}

function findSetting(name: SettingName, values: SettingValues, environment: Environment): Setting | undefined {
  const option = values[name];
  if (option === "") throw new KeyholeError("usage", `--${name} is empty`);
  if (option !== undefined) return { value: option, origin: `--${name}` };
  const variable = settingOptions[name].variable;
  const value = environment[variable];
  return value ? { value, origin: variable } : undefined;
}

function readCount(setting: Setting | undefined): number | undefined {
  return setting && parseWhole(setting.value, setting.origin, { least: 1, most: HIGHEST_COUNT });
}

/** As milliseconds. */
function readSeconds(setting: Setting | undefined): number | undefined {
  return setting && parseSeconds(setting.value, setting.origin, { most: LONGEST_TIMEOUT });
}

function readAutostart(values: SettingValues, environment: Environment): Settings["autostart"] {
  const isOn = readVariable("KEYHOLE_AUTOSTART", environment, parseSwitch) ?? true;
  const isOnce = readVariable("KEYHOLE_AUTOSTART_ONCE", environment, parseSwitch) ?? false;
  if (!isOn) return "never";
  return values.once === true || isOnce ? "once" : "always";
}

/** Of what has no option. */
function readVariable<Value>(
  name: string,
  environment: Environment,
  parse: (text: string, origin: string) => Value,
): Value | undefined {
  const text = environment[name];
  return text ? parse(text, name) : undefined;
}

/**
 * For the owner, or for a group beside it. Others get nothing, and a group that may write to
 * the directory could put another socket there. What a client takes for a control socket has one of these
 * (client/target.ts).
 */
const parseSocketMode = (text: string, origin: string) => parseMode(text, origin, [0o600, 0o660]);
const parseDirectoryMode = (text: string, origin: string) => parseMode(text, origin, [0o700, 0o710, 0o750]);
