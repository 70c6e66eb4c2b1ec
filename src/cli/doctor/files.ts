// Looks at files: one that is missing is no error, and a FIFO without a writer is not waited for.
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  statfsSync,
  type Stats,
  statSync,
} from "node:fs";
import { findOperand } from "../../arguments.ts";
import { isSameFile } from "../../files/identity.ts";
import { baseOf } from "../../paths.ts";
import { settingOptions } from "../../settings.ts";
import { splitWords } from "../../text/quoting.ts";

/** Empty for what is no directory, or may not be listed. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Undefined for what is not there, or may not be seen. */
export function lookAt(path: string): Stats | undefined {
  return quietly(() => lstatSync(path, { throwIfNoEntry: false }));
}

/** As `lookAt`, of what a link leads to. */
export function lookBehind(path: string): Stats | undefined {
  return quietly(() => statSync(path, { throwIfNoEntry: false }));
}

/** Whether two paths lead to one file or directory. */
export function isSamePlace(one: string, other: string): boolean {
  return isSameFile(lookBehind(one), lookBehind(other));
}

/** Asks the kernel, which also knows of read-only mounts, of mounts that nothing is run from, and of root. */
export function may(path: string, what: "read" | "write" | "execute"): boolean {
  const mode = { read: constants.R_OK, write: constants.W_OK, execute: constants.X_OK }[what];
  const allowed = quietly(() => {
    accessSync(path, mode);
    return true;
  });
  return allowed === true;
}

/** Bytes: a config file of a person with hundreds of profiles is far below. */
const LIMIT = 1024 * 1024;

/** The beginning of a regular file; undefined for what is none, or may not be read. */
export function readText(path: string): string | undefined {
  return quietly(() => {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      if (!fstatSync(descriptor).isFile()) return undefined;
      const buffer = Buffer.alloc(LIMIT);
      return buffer.toString("utf8", 0, readSync(descriptor, buffer, 0, LIMIT, 0));
    } finally {
      closeSync(descriptor);
    }
  });
}

/** What linux/magic.h calls it; 0 where the system does not say. */
export function fileSystemOf(path: string): number {
  return quietly(() => statfsSync(path).type >>> 0) ?? 0;
}

/** Bytes that are left; undefined where the system does not say. */
export function freeBytes(path: string): number | undefined {
  return quietly(() => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  });
}

function quietly<Result>(look: () => Result): Result | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

export interface KeyholeProcess {
  /** As it is written: a path, or a name that is looked for on the PATH. */
  readonly executable: string;
  /** The config that is asked for; undefined for a grant. */
  readonly config: string | undefined;
  /** The directory of configs, and the daemon's socket; undefined where the line names none. */
  readonly configDir: string | undefined;
  readonly socket: string | undefined;
}

/** Undefined for a line that runs something else. */
export function keyholeProcessOf(line: string): KeyholeProcess | undefined {
  const [executable = "", ...words] = splitWords(line) ?? [];
  if (!baseOf(executable).startsWith("keyhole")) return undefined;
  const valueOf = (...names: readonly string[]) => {
    const at = words.findIndex((word) => names.includes(word));
    const inline = words.find((word) => names.some((name) => word.startsWith(`${name}=`)));
    return at === -1 ? inline?.slice(inline.indexOf("=") + 1) : words[at + 1];
  };
  const [configDir, socket] = [valueOf("--config-dir"), valueOf("--socket-path")];
  return { executable, config: valueOf("-n", "--name") ?? exportedOf(words), configDir, socket };
}

/** The NAME of `export NAME -f credential-process`. */
function exportedOf(words: readonly string[]): string | undefined {
  const own = words.slice(words.indexOf("export") + 1);
  const at = findOperand(own, { ...settingOptions, format: { type: "string", alias: "f", description: "" } });
  return at === undefined || own.length === words.length ? undefined : own[at];
}
