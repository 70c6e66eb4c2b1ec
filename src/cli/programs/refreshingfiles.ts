// The files of `exec --refresh` and `shell`: a config file whose default profile asks keyhole, and an empty credentials
// file. They hold no secret, and are the same whoever writes them, so shells of one config share them.
import { formatAwsConfig } from "../../text/awsconfig.ts";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { writeAtomically } from "../../files/writing.ts";
import type { Paths } from "../../paths.ts";
import { directoryWords, emptyCredentialsPath, refreshingConfigPath } from "./refreshing.ts";

export interface RefreshingProfile {
  /** The config's name, or the grant's. */
  readonly name: string;
  /** A grant's socket is told no name. */
  readonly isGrant?: boolean;
  /** The words that start keyhole. */
  readonly command: readonly string[];
  readonly region: string | undefined;
}

/** They are written anew each time, so a crash may take them. */
const ANEW = { exclusive: false, durable: false };

/** @throws KeyholeError `unsafe-path` if the directory is not private, `usage` if a path cannot be quoted. */
export function writeRefreshingFiles(paths: Paths, profile: RefreshingProfile): void {
  const text = refreshingConfig(paths, profile);
  ensurePrivateDirectory(paths.runDir);
  writeAtomically(refreshingConfigPath(paths, profile.name), text, ANEW);
  writeAtomically(emptyCredentialsPath(paths), "", ANEW);
}

/** @throws KeyholeError `usage` if a path cannot be quoted. */
export function refreshingConfig(paths: Paths, { name, isGrant = false, command, region }: RefreshingProfile): string {
  const words = [...command, "--socket-path", paths.socket, "export", "--format", "credential-process"];
  return formatAwsConfig({
    comment: "Written by keyhole for exec --refresh and shell; holds no secret.",
    process: isGrant ? words : [...words, ...directoryWords(paths), "-n", name],
    region,
  });
}
