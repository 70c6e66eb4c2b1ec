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

const TEMPORARY = /^\..+?(?:\.([0-9]+))?\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const EDITING = /^edit-([0-9]+)-[^.]+$/;
const BINDING = /^.+\.([0-9]+)$/;

/**
 * Removes what processes of this user left unfinished in these directories that are gone. What cannot be looked at or
 * removed stays.
 *
 * @returns how much it was
 */
export function sweep(directories: readonly string[]): number {
  let count = 0;
  for (const directory of new Set(directories)) {
    for (const name of namesIn(directory)) {
      try {
        const path = `${directory}/${name}`;
        if (!isLeft(name, lstatSync(path))) continue;
        rmSync(path, { recursive: true });
        count += 1;
      } catch {}
    }
  }
  return count;
}

function isLeft(name: string, stats: Stats): boolean {
  const form = stats.isDirectory() ? EDITING : stats.isSocket() ? BINDING : TEMPORARY;
  const match = form.exec(name);
  return match !== null && stats.uid === process.geteuid?.() && !isRunning(Number(match[1] ?? 0));
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
