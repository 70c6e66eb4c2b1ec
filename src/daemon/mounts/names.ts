// The names of grants' directories, which no file holds: a daemon that starts lists `<home>/g` once, which is readable
// for that moment. What is written down has the names of grants in their place.
import { DIRECTORY_IN_TEXT, grantIdOf, isDirectoryName, newDirectoryName } from "../../grants/directory.ts";
import type { Log } from "../../server/log.ts";
import { listMounts } from "./mount.ts";

export interface DirectoryNames {
  /** A new name. @returns its id */
  create(): string;
  /**
   * The name of a grant's directory: a new one where no directory is there that has this id.
   *
   * @param id as a definition has it, also one of a former version
   */
  resolve(id: string, grant: string): string;
  /** A text with the grants' names in the place of the directories'. */
  readonly hide: (text: string) => string;
}

/** @param parent `<home>/g` */
export function createDirectoryNames(parent: string, log: Log): DirectoryNames {
  const names = new Map<string, string>();
  const grants = new Map<string, string>();

  function add(name: string): string {
    const id = grantIdOf(name);
    names.set(id, name);
    return id;
  }

  function list(): void {
    const { found, formerMode } = listMounts(parent);
    found.filter(isDirectoryName).forEach(add);
    if (formerMode !== undefined) log("warn", "grants could be listed", { path: parent, mode: formerMode.toString(8) });
  }

  return {
    create: () => add(newDirectoryName()),
    resolve(id, grant) {
      if (isDirectoryName(id)) add(id);
      const key = grantIdOf(id);
      if (!names.has(key)) list();
      const name = names.get(key) ?? newDirectoryName();
      add(name);
      grants.set(name, grant);
      return name;
    },
    // What no grant is known to have is another home's, or was.
    hide: (text) => text.replaceAll(DIRECTORY_IN_TEXT, (name) => grants.get(name) ?? "…"),
  };
}
