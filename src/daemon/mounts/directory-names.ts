// The names of grants' directories, which no file holds: a daemon that starts lists `<home>/g` once, which is readable
// for that moment. What is written down has the names of grants in their place.
import { DIRECTORY_IN_TEXT, grantIdOf, isDirectoryName, newDirectoryName } from "../../grants/names.ts";
import type { LimitedLog } from "../../server/log.ts";
import { listMounts } from "./mount.ts";

export interface DirectoryNames {
  /** A new name. @returns its id */
  create(): string;
  /**
   * The name of a grant's directory: a new one where no directory has this id.
   *
   * @param log is told where other users could list the directories
   */
  resolve(id: string, grant: string, log: LimitedLog): string;
  /** A text with the grants' names in the place of the directories'. */
  readonly hide: (text: string) => string;
}

/** @param parent `<home>/g` */
export function createDirectoryNames(parent: string): DirectoryNames {
  const names = new Map<string, string>();
  const grants = new Map<string, string>();

  function add(name: string): string {
    const id = grantIdOf(name);
    names.set(id, name);
    return id;
  }

  function list(log: LimitedLog): void {
    const { found, formerMode } = listMounts(parent);
    found.filter(isDirectoryName).forEach(add);
    if (formerMode !== undefined) log("warn", "grants could be listed", { path: parent, mode: formerMode.toString(8) });
  }

  return {
    create: () => add(newDirectoryName()),
    resolve(id, grant, log) {
      if (!names.has(id)) list(log);
      const name = names.get(id) ?? newDirectoryName();
      add(name);
      grants.set(name, grant);
      return name;
    },
    // A name that no grant has is of another home, or of a grant that was removed. Runs for each answer: most have no such path.
    hide: (text) =>
      text.includes("/g/") ? text.replaceAll(DIRECTORY_IN_TEXT, (name) => grants.get(name) ?? "…") : text,
  };
}
