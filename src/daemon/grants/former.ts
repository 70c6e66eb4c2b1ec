// Definitions of former versions hold the names of grants' directories, and so do the lines that were written meanwhile.
import { carriedPath, KEPT_FILES } from "../../audit/files.ts";
import { KEPT_LOGS, openIfFile, readLines, rotatedPath } from "../../files/reading.ts";
import { writeAtomically } from "../../files/writing.ts";
import type { GrantStore } from "../../grants/store.ts";
import type { Paths } from "../../paths.ts";
import { keyholeErrorOf } from "../../server/failure.ts";
import type { DirectoryNames } from "../mounts/names.ts";

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

/** Without taking the definition apart, which whoever serves the grants does: a start has no time for both. */
function readFormer({ directory }: GrantStore, name: string): { readonly id: string; readonly name: string }[] {
  const file = openIfFile(`${directory}/${name}.yaml`);
  if (file === undefined) return [];
  const ids = readLines(file).flatMap((line) => /^id: ['"]?([\w-]{22})['"]?$/.exec(line)?.[1] ?? []);
  return ids.map((id) => ({ id, name }));
}

function rotated(path: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => rotatedPath(path, index + 1));
}
