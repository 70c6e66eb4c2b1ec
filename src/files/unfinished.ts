// Names of what lasts no longer than who makes it, with that one's pid; and removing what a process left that was killed.
import { lstatSync, readdirSync, rmSync, type Stats } from "node:fs";
import { isErrno } from "../errno.ts";

/** A name in a directory that nobody has: for a file that is not finished, and for what is about to be removed. */
export function temporaryName(name: string): string {
  return `.${name}.${process.pid}.${crypto.randomUUID()}`;
}

/** Whether a name is one of `temporaryName`'s, those of versions included that wrote no pid. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/** The beginning of the name of a directory that this process removes again, for mkdtemp(3). */
export function editingPrefix(): string {
  return `edit-${process.pid}-`;
}

/** Under which a socket is bound, before it is renamed; short, because paths of sockets are. */
export function bindingName(name: string): string {
  return `${name}.${process.pid}`;
}

const TEMPORARY = /^\.(?<name>.+?)(?:\.(?<pid>[0-9]+))?\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const EDITING = /^edit-(?<pid>[0-9]+)-[^.]+$/;
const BINDING = /^(?<name>.+)\.(?<pid>[0-9]+)$/;

/** Where something may have been left. */
export interface LitteredPlace {
  readonly directory: string;
  /**
   * Of which files and sockets, by their names when they are finished. Undefined is everything, an editor's directories
   * too: in a directory of keyhole's alone. Others hold what only looks like it: nvim's socket is `nvim.PID.0`.
   */
  readonly isOurs: ((name: string) => boolean) | undefined;
}

/**
 * Removes what processes of this user left unfinished there that are gone. What cannot be looked at or removed stays.
 *
 * @returns how much it was
 */
export function sweep(places: readonly LitteredPlace[]): number {
  let count = 0;
  for (const place of places) {
    for (const name of namesIn(place.directory)) {
      try {
        const path = `${place.directory}/${name}`;
        if (!isLeft(name, lstatSync(path), place)) continue;
        rmSync(path, { recursive: true });
        count += 1;
      } catch {}
    }
  }
  return count;
}

function isLeft(name: string, stats: Stats, { isOurs }: LitteredPlace): boolean {
  const form = stats.isDirectory() ? EDITING : stats.isSocket() ? BINDING : TEMPORARY;
  const found = form.exec(name)?.groups;
  if (found === undefined || stats.uid !== process.geteuid?.()) return false;
  if (isOurs !== undefined && !isOurs(found["name"] ?? "")) return false;
  return !isRunning(Number(found["pid"] ?? 0));
}

/** Of this user's processes; another one that has the pid is not who made it. */
function isRunning(pid: number): boolean {
  // Before anything of its own is under way: a daemon in a container has the same pid each time.
  if (pid === 0 || pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !isErrno(error, "ESRCH", "EPERM");
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
