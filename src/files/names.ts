// The names of things that have a file each in one directory.
import { readdirSync } from "node:fs";
import { isErrno } from "../errno.ts";
import { pathError } from "./trust.ts";

/** Which files count. */
export interface NamedFiles {
  /** With its dot; not part of the name. */
  readonly extension: string;
  readonly isName: (name: string) => boolean;
  /** Whether links count, beside regular files. */
  readonly withLinks: boolean;
}

/** Sorted; empty where there is no directory. @throws KeyholeError `unsafe-path` for one that cannot be read */
export function listNames(directory: string, { extension, isName, withLinks }: NamedFiles): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.name.endsWith(extension) && (entry.isFile() || (withLinks && entry.isSymbolicLink())))
      .map((entry) => entry.name.slice(0, -extension.length))
      .filter(isName)
      .toSorted();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw pathError(error, directory, "read");
  }
}
