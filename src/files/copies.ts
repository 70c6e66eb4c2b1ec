// The private copies of the executable, `<home>/bin/keyhole-BUILD`: which one is this build's, and whether it will do.
import type { Stats } from "node:fs";

/** Whether the kernel keeps a process closed whose file its user cannot read. */
export const IS_CLOSABLE = process.platform === "linux";
export const COPY_MODE = IS_CLOSABLE ? 0o111 : 0o500;

/** @param build of version.ts */
export function copyName(build: string): string {
  return `keyhole-${build.replaceAll(/[^\w.-]/g, "-")}`;
}

/** Root runs from none: it may read every process, and its own are closed to others. */
export function wantsCopy(): boolean {
  return Bun.isStandaloneExecutable && !(IS_CLOSABLE && process.geteuid?.() === 0);
}

/**
 * Whether it was made of that file as it is. Not by the same age: all files of some systems have one, and by their age
 * the copies in mounts are told apart.
 */
export function isCopyOf(found: Stats, original: Stats): boolean {
  const isOurs = found.isFile() && found.uid === process.geteuid?.() && found.nlink === 1;
  const isRight = (found.mode & 0o7777) === COPY_MODE && found.size === original.size;
  return isOurs && isRight && found.mtimeMs >= original.mtimeMs;
}

/**
 * What starts a daemon from the copy that is there, rather than from the executable, which would start again from it.
 *
 * @param command what runs this executable
 */
export async function copyCommand(
  [original]: readonly string[],
  binDir: string,
  build: string,
): Promise<readonly string[] | undefined> {
  if (original === undefined || !wantsCopy()) return undefined;
  const path = `${binDir}/${copyName(build)}`;
  // Not by node:fs, which costs 1 ms before the daemon can begin.
  const [found, made] = await Promise.all(
    [path, original].map((each) =>
      Bun.file(each)
        .stat()
        .catch(() => undefined),
    ),
  );
  if (found === undefined || made === undefined || !isCopyOf(found, made)) return undefined;
  return [path, "--daemon", "--original", original];
}
