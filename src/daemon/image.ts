// The executable that a daemon is. It runs from a private copy, which no update replaces, and which Linux keeps closed:
// a process whose file its user may not read can never be looked into, not even before its first instruction.
import { existsSync, openSync, rmSync, type Stats, statSync } from "node:fs";
import { definedVariables, selectDaemonEnvironment } from "../environment.ts";
import { KeyholeError, keyholeErrorOf } from "../errors.ts";
import { IS_CLOSABLE, wantsCopy } from "../files/copies.ts";
import { isSameFile } from "../files/identity.ts";
import type { Native } from "../native/native.ts";
import { build } from "../version.ts";
import { MANAGER_VARIABLES } from "./systemd.ts";
import { type ExecutableSource, makePrivateCopy, removeCopies } from "./mounts/executable.ts";

/** Leads to the file that a process runs, also when another one or none stands at its path by now. */
const OWN_IMAGE = "/proc/self/exe";

/** The file that this process runs. */
function ownImage(): string {
  return existsSync(OWN_IMAGE) ? OWN_IMAGE : process.execPath;
}

/** What runs this executable again, whatever has become of its file; from source, with its script. */
export function ownCommand(): string[] {
  return Bun.isStandaloneExecutable ? [ownImage()] : [process.execPath, Bun.main];
}

export interface Beginning {
  readonly native: Native;
  readonly binDir: string;
  /** Behind `--daemon`. */
  readonly words: readonly string[];
  /** Loses what a daemon must not have. */
  readonly environment: Record<string, string | undefined>;
  /** The executable that made the copy which this process runs; undefined where it runs from no copy. */
  readonly original: string | undefined;
}

/**
 * A daemon that was started by hand or by a service manager gets the same environment as one that was launched, and
 * each of them runs from its copy. What may be secret, was obeyed by the runtime already, or lay open to other
 * processes, is gone only from a process that never had it: it starts again, in its place.
 *
 * @returns in the process that is to serve; why there is no copy, where that is so
 */
export async function startAgain(beginning: Beginning): Promise<string | undefined> {
  const { native, words, environment } = beginning;
  const wanted = selectDaemonEnvironment(environment);
  const unwanted = Object.keys(environment).filter((name) => !(name in wanted));
  const begin = ([program, ...script]: readonly string[], more: readonly string[] = []): string =>
    native.execute(program!, [program!, ...script, "--daemon", ...words, ...more], {
      ...wanted,
      // The same process, so LISTEN_PID stays right.
      ...definedVariables(Object.fromEntries(MANAGER_VARIABLES.map((name) => [name, environment[name]]))),
    });
  const isFirst = beginning.original === undefined && native.isInspectable();
  const failure = isFirst && wantsCopy() ? await startCopy(beginning, begin) : undefined;
  if (unwanted.some((name) => /^(AWS|BUN|NODE)_/.test(name))) begin([process.execPath, ...ownCommand().slice(1)]);
  for (const name of unwanted) delete environment[name];
  return failure;
}

/** Becomes the copy. Returns only on failure, with the reason. */
async function startCopy(
  { binDir }: Beginning,
  begin: (command: readonly string[], more: readonly string[]) => string,
): Promise<string> {
  try {
    const copy = await makePrivateCopy({ binDir, build, source: ownImage() });
    const failure = begin([copy], ["--original", process.execPath]);
    // 100 MB that cannot be run there.
    rmSync(copy, { force: true });
    return `${copy} cannot be run (${failure})`;
  } catch (error) {
    return keyholeErrorOf(error).message;
  }
}

export interface ImageOptions extends Pick<Beginning, "native" | "binDir" | "original"> {
  /** Why it does not run from a copy, if it should. */
  readonly failure: string | undefined;
}

/** What a daemon knows of its executable. */
export interface Image {
  /**
   * What the copies for grants are made from; undefined where keyhole runs from source.
   *
   * @throws KeyholeError `unsupported-version` where it cannot be had any more
   */
  readonly executable: (() => ExecutableSource) | undefined;
  /** What a person should know of it now. */
  notes(): readonly string[];
  /** Removes the copies of other builds, once this one serves. */
  sweep(): void;
}

/** Of the process that serves, before it is hardened. */
export function openImage({ native, binDir, original, failure }: ImageOptions): Image {
  if (!Bun.isStandaloneExecutable) return { executable: undefined, notes: () => [], sweep: () => {} };
  const path = original ?? process.execPath;
  const image = ownImage();
  const before = lookAt(path);
  const isOpen = original !== undefined && IS_CLOSABLE && native.isInspectable();
  const openness = failure ?? (isOpen ? `the file system of ${binDir} lets it be read` : undefined);
  // Linux's copy cannot be read: the file that it was made from stays open for as long as this process lives.
  const source = original === undefined || !IS_CLOSABLE ? image : keepOpen(original);
  return {
    executable: () => {
      // One that was written over in its place has another content behind the same descriptor.
      if (lookAt(source ?? "")?.size !== statSync(image).size) throw overwritten(path);
      return { path: source!, stamp: image };
    },
    notes: () => {
      const now = lookAt(path);
      const isOlder = now !== undefined && !(isSameFile(before, now) && before?.mtimeMs === now.mtimeMs);
      return [
        ...(openness === undefined ? [] : [`this daemon began open to other processes of this user: ${openness}`]),
        ...(isOlder ? [`this daemon is older than ${path}: keyhole daemon restart`] : []),
      ];
    },
    sweep: () => removeCopies(binDir, original === undefined ? undefined : build),
  };
}

/** Undefined where nothing can be seen. */
function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Undefined where it cannot be opened. */
function keepOpen(path: string): string | undefined {
  try {
    return `/proc/self/fd/${openSync(path, "r")}`;
  } catch {
    return undefined;
  }
}

function overwritten(path: string): KeyholeError {
  const what = `the executable ${path} is not what it was when this daemon began`;
  return new KeyholeError("unsupported-version", what, "keyhole daemon restart");
}
