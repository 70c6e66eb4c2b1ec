// The directory that stands for a grant's where none is mounted: what an SDK needs to ask the socket in it. No secrets.
import { mkdtempSync, rmdirSync, rmSync } from "node:fs";
import type { Environment } from "../../environment.ts";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { writeAtomically } from "../../files/writing.ts";
import { HOST_MOUNT } from "../../grants/grant.ts";
import { checkMountPath, mountFiles } from "../../grants/mount.ts";
import type { Paths } from "../../paths.ts";

/** They are made anew each time, and a file of an earlier bridge makes way. */
const ANEW = { exclusive: false, durable: false };

/** A directory, and how to leave it as it was. */
export interface BridgeDirectory {
  /** Absolute. */
  readonly path: string;
  readonly socket: string;
  /** @param command the words that start keyhole. @throws KeyholeError `usage` for a path that no SDK can be told */
  write(grant: { readonly grant: string; readonly region: string | undefined }, command: readonly string[]): void;
  /** Removes what it made. */
  remove(): void;
}

/**
 * Makes `at`, or a directory of its own under XDG_RUNTIME_DIR, or under keyhole's home.
 *
 * @param at absolute
 * @throws KeyholeError `unsafe-path` if somebody else could write there, `usage` for a path that SDKs misread
 */
export function openBridgeDirectory(
  at: string | undefined,
  environment: Environment,
  { runDir }: Pick<Paths, "runDir">,
): BridgeDirectory {
  const path = at ?? makeOwn(environment["XDG_RUNTIME_DIR"], runDir);
  checkMountPath(path, at === undefined ? "the directory of the bridge" : "--at");
  ensurePrivateDirectory(path);
  const made: string[] = [];
  return {
    path,
    socket: `${path}/sock`,
    write: ({ grant, region }, command) => {
      const terms = { name: grant, deliver: "socket", mountAt: HOST_MOUNT, executable: "none" } as const;
      for (const [name, text] of Object.entries(mountFiles(terms, { directory: path, region, command }))) {
        writeAtomically(`${path}/${name}`, text, ANEW);
        made.push(`${path}/${name}`);
      }
    },
    remove: () => {
      for (const file of made) rmSync(file, { force: true });
      try {
        rmdirSync(path);
      } catch {
        // Somebody put something else into it, or stands on it: it is not ours to remove.
      }
    },
  };
}

function makeOwn(runtime: string | undefined, runDir: string): string {
  const parent = runtime?.startsWith("/") ? `${runtime}/keyhole` : runDir;
  ensurePrivateDirectory(parent);
  return mkdtempSync(`${parent}/bridge-`);
}
