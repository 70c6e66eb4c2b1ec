// Whether the files of a source have been edited since it gave a session's credentials: they may say another identity.
import type { CredentialSource, ReadFiles } from "../../sources/source.ts";
import type { Issue } from "./issue.ts";
import type { Session } from "./session.ts";

/** Milliseconds: between an edit and the command after it there is a program's start; a burst of requests is one look. */
const INTERVAL = 100;

type Files = Pick<CredentialSource, "stampOf" | "reread">;

interface Seen {
  /** When the files were looked at last, on the monotonic clock. */
  at: number;
  stamp: string;
  /** They say something else than when the credentials were issued. */
  differs: boolean;
  look: Promise<boolean> | undefined;
}

export class Edits {
  readonly #source: Files;
  readonly #seen = new WeakMap<Issue, Seen>();

  constructor(source: Files) {
    this.#source = source;
  }

  /**
   * Whether the current credentials are of what the files said before. A promise where the files are looked at just now;
   * it never rejects: what cannot be read has said nothing else.
   *
   * @param now monotonic
   */
  arePresent(session: Session, now: number): boolean | Promise<boolean> {
    const issue = session.current;
    if (issue === undefined || issue.files.paths.length === 0) return false;
    const seen = this.#seen.get(issue) ?? { ...issue.files, at: issue.arrivedAt, differs: false, look: undefined };
    this.#seen.set(issue, seen);
    if (seen.look === undefined && now - seen.at >= INTERVAL) {
      seen.at = now;
      seen.look = this.#look(session, issue.files, seen).finally(() => (seen.look = undefined));
    }
    return seen.look ?? seen.differs;
  }

  async #look(session: Session, files: ReadFiles, seen: Seen): Promise<boolean> {
    const stamp = await this.#source.stampOf(files);
    if (stamp === undefined || stamp === seen.stamp) return seen.differs;
    seen.stamp = stamp;
    try {
      const { name, stored, environment } = session;
      const request = { name, config: stored.config, environment, signal: new AbortController().signal };
      seen.differs = (await this.#source.reread(request)).digest !== files.digest;
    } catch {
      seen.differs = false;
    }
    // What an attempt with the edited files came to is over.
    if (!seen.differs) session.forgetFailures();
    return seen.differs;
  }
}
