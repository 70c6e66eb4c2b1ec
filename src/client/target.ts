// Which socket a command talks to, and what it may expect there.
import { codeOf } from "../errors.ts";
import { directoryOf } from "../paths.ts";
import type { Settings } from "../settings.ts";
import { lane } from "./express.ts";

/**
 * `own`: a control socket, whose daemon may be started. `grant`: answers Fetch alone, and is never started. `unknown`: a
 * socket that was named and may be either; its grant, if it is one, must not be told a config's name, so Fetch is asked
 * first, which a control socket answers with `not-a-grant`. `shared`: answers Hello and Vend, belongs to another user, and
 * is never started.
 */
export interface Target {
  readonly path: string;
  readonly kind: "own" | "grant" | "unknown" | "shared";
}

/** Not imported, as it costs 1.5 ms; process.getBuiltinModule costs as much again. */
const fs = () => require("node:fs") as typeof import("node:fs");

/** Modes of a control socket, its owner's or a group's; a grant's is 0666, and a relay's may be anything. */
const CONTROL_MODES: readonly number[] = [0o600, 0o660];

/**
 * The socket that was named; else the one beside the executable, if it lies in a grant's directory; else the user's own.
 *
 * @param executable absolute path; undefined where keyhole runs from source
 */
export function findTarget(settings: Settings, executable: string | undefined): Target {
  const { socket, sharedSocket } = settings.paths;
  if (settings.isSocketNamed) return { path: socket, kind: socket === sharedSocket ? "shared" : kindOf(socket) };
  const directory = executable && grantDirectoryOf(executable);
  if (directory) return { path: `${directory}/${lane.grantSocket}`, kind: "grant" };
  return { path: socket, kind: "own" };
}

/**
 * The socket for a command that wants credentials: the shared socket of this machine, if it has one, for what this
 * user has no config of. A user's own configs are served by a daemon of the user's own, which may have to be started.
 *
 * @param target that the command line means
 * @param name of the config; undefined where none was given
 */
export function findSource(settings: Settings, target: Target, name: string | undefined): Target {
  const { isSocketNamed, isConfigDirNamed, isInProcess, usesShared, paths } = settings;
  if (target.kind !== "own" || isSocketNamed || isConfigDirNamed || isInProcess || !usesShared) return target;
  // A shared daemon has no files of this user.
  if (name?.includes(":")) return target;
  if (name === undefined ? hasConfigs(paths.configDir) : isThere(`${paths.configDir}/${name}.yaml`)) return target;
  // Of the directory, because it is the promise that a daemon serves there: without it the client fails, and does not fall back.
  const directory = directoryOf(paths.sharedSocket);
  // A grant may be mounted in that place.
  if (!isThere(directory) || isGrantDirectory(directory) || isOperator(settings)) return target;
  // In a container a host's socket may be all that there is.
  if (isSpecial(target.path) && !isSpecial(paths.sharedSocket)) return target;
  // Who has configs and is no member has mistyped one of them.
  return mayEnter(directory) || !hasConfigs(paths.configDir) ? { path: paths.sharedSocket, kind: "shared" } : target;
}

/** The user who keeps the policy is served by the daemon that obeys it, on its control socket. */
function isOperator({ paths }: Settings): boolean {
  return isThere(paths.sharedPolicy);
}

function mayEnter(directory: string): boolean {
  const { accessSync, constants } = fs();
  try {
    accessSync(directory, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether a directory has a config. Of one that cannot be read nothing is known, and its owner is told so elsewhere. */
function hasConfigs(directory: string): boolean {
  try {
    return fs()
      .readdirSync(directory)
      .some((name) => name.endsWith(".yaml"));
  } catch (error) {
    return codeOf(error) !== "ENOENT";
  }
}

/** As `hasConfigs`, for one of them; a file that has anything in it is found without node:fs. */
function isThere(path: string): boolean {
  if (Bun.file(path).size > 0) return true;
  try {
    return fs().lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/**
 * The directory of the grant that an executable lies in; undefined outside of any. The AWS config tells it, too,
 * because for a moment of a daemon's restart there is no socket, and no other daemon must be asked then.
 */
export function grantDirectoryOf(executable: string): string | undefined {
  const directory = directoryOf(executable);
  return isSpecial(`${directory}/${lane.grantSocket}`) || isGrantDirectory(directory) ? directory : undefined;
}

function isGrantDirectory(directory: string): boolean {
  return Bun.file(`${directory}/${lane.grantConfig}`).size > 0;
}

/** Whether there is something, and no regular file. Without node:fs, which costs 1.5 ms: every client asks this. */
function isSpecial(path: string): boolean {
  return Bun.file(path).size === Number.POSITIVE_INFINITY;
}

function kindOf(socket: string): Target["kind"] {
  if (isGrantDirectory(directoryOf(socket))) return "grant";
  const stats = lookAt(socket);
  return stats === undefined || CONTROL_MODES.includes(stats.mode & 0o777) ? "own" : "unknown";
}

/** False only for what certainly is not. Without node:fs. */
export async function mayBeThere(path: string): Promise<boolean> {
  try {
    await Bun.file(path).stat();
    return true;
  } catch (error) {
    return codeOf(error) !== "ENOENT";
  }
}

/** Undefined where nothing is, or may be seen. */
function lookAt(path: string) {
  try {
    return fs().lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
