// A store of configs without files.
import type { Config, ConfigReader, StoredConfig } from "../../../src/config/config.ts";
import { KeyholeError } from "../../../src/errors.ts";

interface File {
  readonly config: Config | undefined;
  readonly revision: string;
  readonly until: number | undefined;
}

export class FakeConfigs implements ConfigReader {
  readonly #files = new Map<string, File>();
  #revisions = 0;
  /** How often a revision was asked for. */
  looks = 0;

  /** Writes a file; undefined is one that does not parse. What is issued from it ends by `until`, as with a grant. */
  write(name: string, config: Config | undefined, until?: number): void {
    this.#revisions += 1;
    this.#files.set(name, { config, revision: String(this.#revisions), until });
  }

  delete(name: string): void {
    this.#files.delete(name);
  }

  read(name: string): StoredConfig {
    const file = this.#files.get(name);
    if (file === undefined) throw new KeyholeError("no-such-config", "no such config");
    if (file.config === undefined) throw new KeyholeError("invalid-config", "scripted invalid config");
    return { name, config: file.config, revision: file.revision, until: file.until };
  }

  revision(name: string): string | undefined {
    this.looks += 1;
    return this.#files.get(name)?.revision;
  }
}

/** A config of a role named like it. */
export function roleConfig(role: string, durationSeconds?: number): Config {
  return { AssumeRole: { RoleArn: `arn:aws:iam::111122223333:role/${role}`, DurationSeconds: durationSeconds } };
}
