// Where the definitions of grants live: `grants/NAME.yaml`, one file for each, without a secret, so that they survive a
// restart of the daemon.
import { dumpYaml } from "../config/edit.ts";
import { formatProblem } from "../config/parse.ts";
import { decodeYaml, lineOf, MalformedYaml, parseYaml, YAML_LIMIT, type YamlDocument } from "../config/yaml.ts";
import { KeyholeError } from "../errors.ts";
import { checkDirectory, ensureDirectory, listNames } from "../files/directories.ts";
import { readTrusted } from "../files/reading.ts";
import { fileRevision } from "../files/identity.ts";
import { removeFile, rename, writeAtomically } from "../files/writing.ts";
import { quotePosix } from "../text/quoting.ts";
import type { Grant } from "./grant.ts";
import { checkGrantName, isGrantName, noSuchGrant } from "./names.ts";
import { fromDocument, toDocument } from "./schema.ts";

const EXTENSION = ".yaml";
/** Of a definition that is revoked by its name alone: a new name needs no room on a full disk. */
const REVOKED = ".revoked";

/** More than a person reads, and less than a message on the wire may hold. */
const PROBLEM_LIMIT = 50;

/** Every method throws KeyholeError `unsafe-path` where another user owns or may write to what it touches. */
export interface GrantStore {
  readonly directory: string;
  /** Sorted names; empty if there is no directory. Says nothing of whether the files are valid. */
  list(): string[];
  /** @throws KeyholeError `no-such-grant`; `invalid-grant` with every problem and no value; `usage` for what is no name. */
  read(name: string): Grant;
  /**
   * Replaces what is there, or makes it, with mode 0600.
   *
   * @param options.durable be on the disk before returning: for an end, which must outlive a crash
   */
  write(grant: Grant, options: { readonly durable: boolean }): void;
  /** Revokes what is there without writing it anew, be it by removing it. Is on the disk before it returns. */
  markRevoked(name: string): void;
  /** False if there was none. */
  remove(name: string): boolean;
  /** Changes whenever the file does; undefined where there is none. */
  revision(name: string): string | undefined;
}

/** @param uid whose files are trusted beside root's; this process's if absent. */
export function openGrantStore(directory: string, uid: number = process.getuid?.() ?? 0): GrantStore {
  const pathOf = (name: string, extension = EXTENSION) => `${directory}/${checkGrantName(name)}${extension}`;

  function list(): string[] {
    checkDirectory(directory, uid);
    // Only the daemon writes definitions, and it makes no links.
    const found = [EXTENSION, REVOKED].flatMap((extension) =>
      listNames(directory, { extension, isName: isGrantName, withLinks: false }),
    );
    return [...new Set(found)].toSorted();
  }

  return {
    directory,
    list,

    read(name) {
      for (const path of [pathOf(name, REVOKED), pathOf(name)]) {
        const file = readTrusted(path, uid, YAML_LIMIT);
        if (file === undefined) continue;
        const grant = parseGrant(name, path, file.bytes);
        if (!path.endsWith(REVOKED)) return grant;
        return { ...grant, revokedAt: grant.revokedAt ?? Number(file.stats.ctimeMs) };
      }
      throw noSuchGrant(name, list());
    },

    write(grant, { durable }) {
      const path = pathOf(grant.name);
      ensureDirectory(directory, uid);
      writeAtomically(path, dumpYaml(toDocument(grant)), { exclusive: false, durable });
      removeFile(pathOf(grant.name, REVOKED));
    },

    markRevoked(name) {
      checkDirectory(directory, uid);
      try {
        rename(pathOf(name), pathOf(name, REVOKED));
      } catch {
        removeFile(pathOf(name));
      }
    },

    remove(name) {
      checkDirectory(directory, uid);
      const removed = [pathOf(name), pathOf(name, REVOKED)].map(removeFile);
      return removed.includes(true);
    },

    revision(name) {
      if (!isGrantName(name)) return undefined;
      return fileRevision(pathOf(name, REVOKED)) ?? fileRevision(pathOf(name));
    },
  };
}

function parseGrant(name: string, path: string, bytes: Uint8Array): Grant {
  let document: YamlDocument;
  try {
    document = parseYaml(decodeYaml(bytes));
  } catch (error) {
    if (!(error instanceof MalformedYaml)) throw error;
    throw invalid(name, [`${path}: ${formatProblem(error)}`]);
  }
  const result = fromDocument(name, document.value);
  if ("grant" in result) return result.grant;
  const problems = result.problems
    .slice(0, PROBLEM_LIMIT)
    .map((problem) => ({ line: lineOf(document, problem.path), message: problem.message }))
    .toSorted((left, right) => (left.line ?? 0) - (right.line ?? 0));
  throw invalid(
    name,
    problems.map((problem) => `${path}: ${formatProblem(problem)}`),
  );
}

function invalid(name: string, lines: readonly string[]): KeyholeError {
  return new KeyholeError("invalid-grant", lines.join("\n"), `keyhole grant remove ${quotePosix(name)}`);
}
