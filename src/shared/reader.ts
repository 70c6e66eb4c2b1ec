// The policy file as it is at the moment of a question: read again when it, or who the users are, has changed.
import { statSync } from "node:fs";
import { KeyholeError } from "../errors.ts";
import { readTrusted } from "../files/reading.ts";
import { type AccountFiles, accountsRevision, readAccounts, SYSTEM_ACCOUNTS } from "./accounts.ts";
import { type Decision, decide, NOBODY } from "./decision.ts";
import { parsePolicy } from "./policy.ts";

/** Bytes, as for configs. */
const LIMIT = 64 * 1024;

/** What the file says now. */
export interface PolicyState {
  readonly decision: Decision;
  /** What is wrong with it, in words for its owner; nobody may vend anything then, or not those who are named. */
  readonly problems: readonly string[];
}

export interface PolicyReader {
  /** Costs three calls of stat(2). Never throws: what cannot be read allows nothing. */
  current(): PolicyState;
  /** Reads again, whatever stat says. */
  reload(): PolicyState;
}

/**
 * @param uid whose file it has to be, beside root's
 * @param changed called with each state that differs from the one before, the first one included
 */
export function openPolicy(
  path: string,
  uid: number,
  changed: (state: PolicyState) => void,
  files: AccountFiles = SYSTEM_ACCOUNTS,
): PolicyReader {
  let revision: string | undefined;
  let state: PolicyState = { decision: NOBODY, problems: [] };

  function current(): PolicyState {
    const found = `${revisionOf(path)} ${accountsRevision(files)}`;
    if (found === revision) return state;
    // Taken before it is read: a change in between is seen at the next question.
    revision = found;
    state = readState(path, uid, files);
    changed(state);
    return state;
  }

  return {
    current,
    reload() {
      revision = undefined;
      return current();
    },
  };
}

function readState(path: string, uid: number, files: AccountFiles): PolicyState {
  try {
    const file = readTrusted(path, uid, LIMIT);
    if (file === undefined)
      return { decision: NOBODY, problems: [`there is no policy file ${path}: nobody is served`] };
    if (file.bytes.length > LIMIT) throw new KeyholeError("invalid-config", `${path}: larger than ${LIMIT / 1024} KiB`);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(file.bytes);
    const decision = decide(parsePolicy(text, path), readAccounts(files));
    return { decision, problems: decision.unknown.map((who) => `${path}: no such ${who}: its rule serves nobody`) };
  } catch (error) {
    const what = error instanceof KeyholeError ? error.message : `${path}: not UTF-8`;
    return { decision: NOBODY, problems: [`${what}: nobody is served`] };
  }
}

function revisionOf(path: string): string {
  try {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return "none";
    return [stats.dev, stats.ino, stats.uid, stats.mode, stats.size, stats.mtimeNs, stats.ctimeNs].join("-");
  } catch {
    // A directory on the way that may not be searched; `readTrusted` says so.
    return "hidden";
  }
}
