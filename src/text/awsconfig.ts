// The AWS config file by which SDKs run keyhole, or read its lease: of a grant's directory, a bridge's, `exec --refresh`.
import { KeyholeError } from "../errors.ts";
import { quoteForProcess } from "./quoting.ts";

export interface AwsConfig {
  /** Its first line, for people. */
  readonly comment: string;
  /** The words of `credential_process`. */
  readonly process: readonly string[];
  /** Left out where it is none. */
  readonly region: string | undefined;
}

/** @throws KeyholeError `usage`, without the word, for one that `credential_process` cannot say */
export function formatAwsConfig({ comment, process, region }: AwsConfig): string {
  const lines = [`credential_process = ${process.map(quote).join(" ")}`];
  if (region !== undefined && /^[a-z0-9-]+$/.test(region)) lines.push(`region = ${region}`);
  // Both spellings of the default profile, because tools disagree about which one is right.
  const sections = ["[default]", "[profile default]"].map((heading) => `${[heading, ...lines].join("\n")}\n`);
  return [`# ${comment}\n`, ...sections].join("\n");
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
