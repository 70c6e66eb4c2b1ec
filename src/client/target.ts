// Which socket a command talks to, and what it may expect there.
import { lstatSync } from "node:fs";
import { directoryOf } from "../paths.ts";
import type { Settings } from "../settings.ts";

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

/** The name of a grant's socket in its directory, beside the executable (DESIGN.md, 4). */
const GRANT_SOCKET = "sock";

/** Modes of a control socket, its owner's or a group's; a grant's is 0666, and a relay's may be anything. */
const CONTROL_MODES: readonly number[] = [0o600, 0o660];

/**
 * The socket that was named; else the one beside the executable, if it lies in a grant's directory; else the user's own.
 *
 * @param executable absolute path; undefined where keyhole runs from source
 */
export function findTarget(settings: Settings, executable: string | undefined): Target {
  const { socket } = settings.paths;
  if (settings.isSocketNamed) return { path: socket, kind: isPrivateOrMissing(socket) ? "own" : "unknown" };
  const beside = executable && `${directoryOf(executable)}/${GRANT_SOCKET}`;
  if (beside && isSocket(beside)) return { path: beside, kind: "grant" };
  return { path: socket, kind: "own" };
}

function isSocket(path: string): boolean {
  return lookAt(path)?.isSocket() === true;
}

function isPrivateOrMissing(path: string): boolean {
  const stats = lookAt(path);
  return stats === undefined || CONTROL_MODES.includes(stats.mode & 0o777);
}

/** Undefined where nothing is, or may be seen. */
function lookAt(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
