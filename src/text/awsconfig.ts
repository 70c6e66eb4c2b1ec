// The AWS config file by which SDKs run keyhole, or read its lease: of a grant's directory, a bridge's, `exec --refresh`.
import { KeyholeError } from "../errors.ts";
import { quoteForProcess } from "./quoting.ts";

interface AwsConfig {
  /** Its first line, for people. */
  readonly comment: string;
  /** The words of `credential_process`; undefined where `settings` has other credentials. */
  readonly process: readonly string[] | undefined;
  /** Left out where it is not the name of a region. */
  readonly region: string | undefined;
  /** Of the default profile, in the format of the file. */
  readonly settings?: string;
  /** What follows: other profiles. */
  readonly others?: string;
}

/** @throws KeyholeError `usage`, without the word, for one that `credential_process` cannot say */
export function formatAwsConfig({ comment, process, region, settings = "", others = "" }: AwsConfig): string {
  const lines = process === undefined ? [] : [formatProcess(process)];
  if (region !== undefined && /^[a-z0-9-]+$/.test(region)) lines.push(`region = ${region}`);
  // One spelling: both at once break the SDK for JavaScript v2, the SDK for PHP does not know the other, and all take this.
  return `# ${comment}\n\n[profile default]\n${lines.join("\n")}\n${settings}${others}`;
}

/** The setting by which SDKs run these words. Throws as `formatAwsConfig` does. */
export function formatProcess(words: readonly string[]): string {
  return `credential_process = ${words.map(quote).join(" ")}`;
}

function quote(word: string): string {
  const quoted = quoteForProcess(word);
  if (quoted !== undefined) return quoted;
  throw new KeyholeError(
    "usage",
    "a path of keyhole's has a character that credential_process cannot express",
    "export KEYHOLE_HOME=/path/to/a/private/directory",
  );
}
