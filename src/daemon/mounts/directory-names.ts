// The names of grants' directories, which no file holds: a daemon that starts lists `<home>/g` once, which is readable
// for that moment. What is written down has the names of grants in their place. Definitions of former versions hold the
// directories' names, and so do the lines that were written meanwhile.
import { carriedPath, KEPT_FILES } from "../../audit/history.ts";
import { KEPT_LOGS, openIfFile, readLines, rotatedPath } from "../../files/reading.ts";
import { writeAtomically } from "../../files/writing.ts";
import { DIRECTORY_IN_TEXT, grantIdOf, isDirectoryName, newDirectoryName } from "../../grants/names.ts";
import type { GrantStore } from "../../grants/store.ts";
import type { Paths } from "../../paths.ts";
import { keyholeErrorOf } from "../../errors.ts";
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
    // What no grant is known to have is another home's, or was. Stands on every answer, where most have no such path.
    hide: (text) =>
      text.includes("/g/") ? text.replaceAll(DIRECTORY_IN_TEXT, (name) => grants.get(name) ?? "…") : text,
  };
}

/**
 * Rewrites the lines, where a definition is a former version's; the definitions themselves follow when they are served, so that
 * after a crash in between this is done again. Before the files are opened for writing.
 *
 * @returns why that could not be done; a daemon with such lines is better than none
 */
export function hideFormerNames(
  store: GrantStore,
  paths: Pick<Paths, "audit" | "log">,
  names: DirectoryNames,
): string | undefined {
  try {
    rewrite(store, paths, names);
    return undefined;
  } catch (error) {
    return keyholeErrorOf(error).message;
  }
}

function rewrite(store: GrantStore, { audit, log }: Pick<Paths, "audit" | "log">, names: DirectoryNames): void {
  const former = store.list().flatMap((name) => readFormer(store, name));
  if (former.length === 0) return;
  for (const { id, name } of former) names.resolve(id, name);
  const files = [log, ...rotated(log, KEPT_LOGS), audit, ...rotated(audit, KEPT_FILES), carriedPath(audit)];
  for (const path of files) {
    const file = openIfFile(path);
    if (file === undefined) continue;
    const before = readLines(file)
      .map((line) => `${line}\n`)
      .join("");
    const after = names.hide(before);
    if (after !== before) writeAtomically(path, after, { exclusive: false, durable: true });
  }
}

/** Without taking the definition apart, which the loading of grants does: a start has no time for both. */
function readFormer({ directory }: GrantStore, name: string): { readonly id: string; readonly name: string }[] {
  const file = openIfFile(`${directory}/${name}.yaml`);
  if (file === undefined) return [];
  const ids = readLines(file).flatMap((line) => /^id: ['"]?([\w-]{22})['"]?$/.exec(line)?.[1] ?? []);
  return ids.map((id) => ({ id, name }));
}

function rotated(path: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => rotatedPath(path, index + 1));
}
