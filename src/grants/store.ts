// Where the definitions of grants live: `grants/NAME.yaml`, one file for each, without a secret, so that they survive a
// restart of the daemon.
import * as fs from "node:fs";
import { dumpYaml } from "../config/dump.ts";
import { lineOf, MalformedYaml, parseYaml, YAML_LIMIT, type YamlDocument } from "../config/yaml.ts";
import { isErrno } from "../errno.ts";
import { KeyholeError } from "../errors.ts";
import { checkDirectory, ensureDirectory } from "../files/directories.ts";
import { readTrusted } from "../files/reading.ts";
import { pathError } from "../files/trust.ts";
import { removeFile, writeAtomically } from "../files/writing.ts";
import { quotePosix } from "../quoting.ts";
import type { Grant } from "./grant.ts";
import { checkGrantName, isGrantName, noSuchGrant } from "./name.ts";
import { fromDocument, toDocument } from "./schema.ts";

const EXTENSION = ".yaml";

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
  /** False if there was none. */
  remove(name: string): boolean;
  /** Changes whenever the file does; undefined where there is none. */
  revision(name: string): string | undefined;
}

/** @param uid whose files are trusted beside root's; this process's if absent. */
export function openGrantStore(directory: string, uid: number = process.getuid?.() ?? 0): GrantStore {
  const pathOf = (name: string) => `${directory}/${checkGrantName(name)}${EXTENSION}`;

  function list(): string[] {
    checkDirectory(directory, uid);
    return readNames(directory);
  }

  return {
    directory,
    list,

    read(name) {
      const path = pathOf(name);
      const file = readTrusted(path, uid, YAML_LIMIT);
      if (file !== undefined) return parseGrant(name, path, file.bytes);
      throw noSuchGrant(name, list());
    },

    write(grant, { durable }) {
      const path = pathOf(grant.name);
      ensureDirectory(directory, uid);
      writeAtomically(path, dumpYaml(toDocument(grant)), { exclusive: false, durable });
    },

    remove(name) {
      checkDirectory(directory, uid);
      return removeFile(pathOf(name));
    },

    revision(name) {
      if (!isGrantName(name)) return undefined;
      try {
        const { dev, ino, size, mtimeNs, ctimeNs } = fs.statSync(pathOf(name), { bigint: true });
        return [dev, ino, size, mtimeNs, ctimeNs].join("-");
      } catch {
        // What cannot be looked at has no revision; `read` says why.
        return undefined;
      }
    },
  };
}

/** Regular files alone: nobody but the daemon writes definitions, and it makes no links. */
function readNames(directory: string): string[] {
  try {
    return fs
      .readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.name.endsWith(EXTENSION) && entry.isFile())
      .map((entry) => entry.name.slice(0, -EXTENSION.length))
      .filter(isGrantName)
      .toSorted();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw pathError(error, directory, "read");
  }
}

function parseGrant(name: string, path: string, bytes: Uint8Array): Grant {
  let document: YamlDocument;
  try {
    document = parseYaml(decodeText(bytes));
  } catch (error) {
    if (!(error instanceof MalformedYaml)) throw error;
    throw invalid(name, [describe(path, error.line, error.message)]);
  }
  const result = fromDocument(name, document.value);
  if ("grant" in result) return result.grant;
  const problems = result.problems
    .slice(0, PROBLEM_LIMIT)
    .map((problem) => ({ line: lineOf(document, problem.path), message: problem.message }))
    .toSorted((left, right) => (left.line ?? 0) - (right.line ?? 0));
  throw invalid(
    name,
    problems.map(({ line, message }) => describe(path, line, message)),
  );
}

/** @throws MalformedYaml */
function decodeText(bytes: Uint8Array): string {
  if (bytes.length > YAML_LIMIT) throw new MalformedYaml(`larger than ${YAML_LIMIT / 1024} KiB`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new MalformedYaml("not UTF-8");
  }
}

function describe(path: string, line: number | undefined, message: string): string {
  return `${path}: ${line === undefined ? "" : `line ${line}: `}${message}`;
}

function invalid(name: string, lines: readonly string[]): KeyholeError {
  return new KeyholeError("invalid-grant", lines.join("\n"), `keyhole grant remove ${quotePosix(name)}`);
}
