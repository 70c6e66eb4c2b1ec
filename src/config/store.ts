// Where configs live: one YAML file for each, named after it, in one directory.
import * as fs from "node:fs";
import { checkConfigName, isConfigName } from "./name.ts";
import { KeyholeError } from "../errors.ts";
import { checkDirectory, ensureDirectory, listNames } from "../files/directories.ts";
import { readTrusted, resolveLink } from "../files/reading.ts";
import { fileRevision, revisionOf } from "../files/identity.ts";
import { removeFile, renameExclusively, writeAtomically } from "../files/writing.ts";
import { quotePosix } from "../text/quoting.ts";
import { didYouMean } from "../text/suggest.ts";
import type { ConfigReader, Source, StoredConfig } from "./config.ts";
import { parseConfig, type ParsedFile } from "./parse.ts";
import { editOf, readSources } from "./sources.ts";
import { decodeYaml, MalformedYaml, YAML_LIMIT } from "./yaml.ts";

const EXTENSION = ".yaml";

/** The store as the command line sees it; the daemon needs no more than ConfigReader. */
export interface ConfigStore extends ConfigReader {
  readonly directory: string;
  /** @throws KeyholeError `usage` for a name that is not one. */
  pathOf(name: string): string;
  /** Sorted names; empty if there is no directory. Says nothing of whether the files are valid. */
  list(): readonly string[];
  /** The text of a config's file, valid or not. @throws KeyholeError `no-such-config`. */
  readText(name: string): string;
  /** Reads and checks, with warnings. @throws as ConfigReader.read does. */
  parse(name: string): ParsedFile;
  exists(name: string): boolean;
  /**
   * Throws what `save` would throw of a text.
   *
   * @param planned texts of configs that are to be there by then, by their names
   */
  check(name: string, text: string, planned?: ReadonlyMap<string, string>): void;
  /**
   * Checks a text and saves it, byte for byte; what is there stays as it is if the text is no config. Through a link
   * it writes to the file behind.
   *
   * @param replace false: @throws KeyholeError `config-exists` rather than replace a config.
   */
  save(name: string, text: string, replace: boolean): void;
  /** @throws KeyholeError `no-such-config`, `config-exists`. */
  rename(name: string, to: string): void;
  /** @throws KeyholeError `no-such-config`. */
  remove(name: string): void;
}

/**
 * @param uid whose files are trusted beside root's; this process's if absent.
 * Every method throws KeyholeError `unsafe-path` where another user owns or may write to what it touches.
 */
export function openConfigStore(directory: string, uid: number = process.getuid?.() ?? 0): ConfigStore {
  const pathOf = (name: string) => `${directory}/${checkConfigName(name)}${EXTENSION}`;
  const missing = (name: string) =>
    new KeyholeError("no-such-config", `there is no config ${name}${didYouMean(name, list())}`);

  const load = (name: string) => {
    const file = readTrusted(pathOf(name), uid, YAML_LIMIT);
    if (file === undefined) throw missing(name);
    return { text: decodeText(file.bytes, pathOf(name)), revision: revisionOf(file.stats) };
  };

  const parseFile = (name: string, text: string) =>
    parseConfig(text, pathOf(name), `keyhole config update --editor -n ${name}`);

  function readAlone(name: string): StoredConfig {
    const { text, revision } = load(name);
    return { name, config: parseFile(name, text).config, revision };
  }

  function list(): readonly string[] {
    checkDirectory(directory, uid);
    return listNames(directory, { extension: EXTENSION, isName: isConfigName, withLinks: true });
  }

  function check(name: string, text: string, planned: ReadonlyMap<string, string> = new Map()): void {
    const { config } = parseConfig(text, name);
    const readPlanned = (other: string) => {
      const own = planned.get(other);
      return own === undefined
        ? readAlone(other)
        : { name: other, config: parseConfig(own, other).config, revision: "" };
    };
    try {
      readSources(name, config, readPlanned);
    } catch (error) {
      // What is not saved cannot be edited by its name.
      const isNew = resolveLink(pathOf(name), uid) === undefined;
      if (!isNew || !(error instanceof KeyholeError) || error.hint?.startsWith(editOf(name)) !== true) throw error;
      throw new KeyholeError(error.kind, error.message, "keyhole config list");
    }
  }

  return {
    directory,
    pathOf,
    check,
    list,
    readText: (name) => load(name).text,
    parse: (name) => parseFile(name, load(name).text),
    exists: (name) => resolveLink(pathOf(name), uid) !== undefined,

    read(name) {
      const stored = readAlone(name);
      const sources = readSources(name, stored.config, readAlone);
      if (sources.length === 0) return stored;
      const revision = [stored, ...sources].map((each) => each.revision).join(" ");
      return { name, config: { ...stored.config, sources: sources.map(withoutNotes) }, revision };
    },

    revision: (name) => (isConfigName(name) ? fileRevision(pathOf(name)) : undefined),

    save(name, text, replace) {
      const path = pathOf(name);
      check(name, text);
      ensureDirectory(directory, uid);
      const target = resolveLink(path, uid) ?? path;
      if (!writeAtomically(target, text, { exclusive: !replace, durable: true })) throw taken(name);
    },

    rename(name, to) {
      const target = pathOf(to);
      checkDirectory(directory, uid);
      if (fs.lstatSync(pathOf(name), { throwIfNoEntry: false }) === undefined) throw missing(name);
      if (!renameExclusively(pathOf(name), target)) throw taken(to);
    },

    remove(name) {
      checkDirectory(directory, uid);
      if (!removeFile(pathOf(name))) throw missing(name);
    },
  };
}

/** What of a source may reach STS, as in daemon/sessions/session.ts: a description that changes makes no other credentials. */
function withoutNotes({ name, config: { Meta: _meta, pin: _pin, Sign: _sign, ...config } }: StoredConfig): Source {
  return { name, config };
}

/** The store as the daemon sees it. */
export function createConfigReader(directory: string): ConfigReader {
  return openConfigStore(directory);
}

/** The names in a directory of configs, sorted. */
export function listConfigs(directory: string): readonly string[] {
  return openConfigStore(directory).list();
}

/** Files that would be configs if their names could be one's: elhaz takes every letter of Unicode. Sorted. */
export function listMisnamed(directory: string): readonly string[] {
  return listNames(directory, { extension: EXTENSION, isName: isMisnamed, withLinks: true });
}

function isMisnamed(name: string): boolean {
  return !isConfigName(name) && !name.startsWith(".");
}

function decodeText(bytes: Uint8Array, path: string): string {
  try {
    return decodeYaml(bytes);
  } catch (error) {
    if (!(error instanceof MalformedYaml)) throw error;
    throw new KeyholeError("invalid-config", `${path}: ${error.message}`, `file ${quotePosix(path)}`);
  }
}

function taken(name: string): KeyholeError {
  return new KeyholeError("config-exists", `config ${name} exists`, `keyhole config update -n ${name}`);
}
