// Where everything lives: a pure function of the environment and the platform. No I/O, no package.
import type { Environment } from "./environment.ts";
import { KeyholeError } from "./errors.ts";

/** All are absolute. */
export interface Paths {
  /** `~/.keyhole`, or KEYHOLE_HOME. */
  readonly home: string;
  readonly configDir: string;
  /** Where the configs are that a plain name means, whatever directory this command or its daemon was given. */
  readonly defaultConfigDir: string;
  readonly socket: string;
  readonly lock: string;
  readonly log: string;
  /** Files for `exec --refresh` and `shell`, and the memory of sessions; no secrets. */
  readonly runDir: string;
  /** One line per decision about credentials. */
  readonly audit: string;
  /** The definitions of grants; no secrets. */
  readonly grantDir: string;
  /** The directories of grants that are delivered over a socket; what is in it cannot be listed. */
  readonly grantMounts: string;
  /** Private copies of the executable, which the ones in grants are made from. */
  readonly binDir: string;
  /** What `keyhole run` does where its options do not say. */
  readonly runFile: string;
  /** Where a daemon in shared mode is reached by others: one for the machine, outside of every home. */
  readonly sharedSocket: string;
  /** Who may have which configs there. */
  readonly sharedPolicy: string;
}

/** aivault's places under our name. */
const SHARED_SOCKETS: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  darwin: "/Users/Shared/keyhole/run/keyhole.sock",
};
const SHARED_SOCKET = "/var/run/keyhole/keyhole.sock";

/** What a command line or the environment may override; each is a path. */
interface PathOverrides {
  readonly configDir?: string | undefined;
  readonly socket?: string | undefined;
  readonly log?: string | undefined;
}

/**
 * The control socket depends on the home alone, never on TMPDIR or XDG_RUNTIME_DIR, so that every shell, cron job and
 * editor finds the same daemon. Relative paths are taken from `cwd`.
 *
 * @throws KeyholeError `usage` without KEYHOLE_HOME and an absolute HOME.
 */
export function resolvePaths(environment: Environment, overrides: PathOverrides, cwd: () => string): Paths {
  const home = absolutePath(environment["KEYHOLE_HOME"] || defaultHome(environment), cwd);
  const socket = absolutePath(overrides.socket ?? `${home}/sock/daemon.sock`, cwd);
  return {
    home,
    configDir: absolutePath(overrides.configDir ?? `${home}/configs`, cwd),
    defaultConfigDir: `${home}/configs`,
    socket,
    // Beside its socket: a user who may bind one may lock it. Sockets share a lock only if `.sock` is all they differ in.
    lock: socket.endsWith(".sock") ? `${socket.slice(0, -5)}.lock` : `${socket}.lock`,
    log: absolutePath(overrides.log ?? `${home}/logs/daemon.log`, cwd),
    runDir: `${home}/run`,
    audit: `${home}/logs/audit.jsonl`,
    grantDir: `${home}/grants`,
    grantMounts: `${home}/g`,
    binDir: `${home}/bin`,
    runFile: `${home}/run.yaml`,
    sharedSocket: absolutePath(environment["KEYHOLE_SHARED_SOCKET"] || usualSharedSocket(), cwd),
    sharedPolicy: `${home}/shared.yaml`,
  };
}

export function usualSharedSocket(): string {
  return SHARED_SOCKETS[process.platform] ?? SHARED_SOCKET;
}

function defaultHome(environment: Environment): string {
  const userHome = environment["HOME"];
  if (!userHome)
    throw new KeyholeError(
      "usage",
      "neither KEYHOLE_HOME nor HOME is set",
      "export KEYHOLE_HOME=/path/to/a/private/directory",
    );
  // Another daemon in every directory, and the files of that directory's owner.
  if (!userHome.startsWith("/"))
    throw new KeyholeError("usage", "HOME is not an absolute path", "export KEYHOLE_HOME=/path/to/a/private/directory");
  return `${userHome}/.keyhole`;
}

/** A path of a command line as it means the same in every directory. */
export function absolutePath(path: string, cwd: () => string): string {
  return path.startsWith("/") ? path : `${cwd()}/${path}`;
}

/** The directory part of an absolute path. */
export function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** The last part of a path. */
export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
