// A `credential_process` line that runs keyhole, as the SDKs read it.
import { baseOf } from "../../paths.ts";

export interface KeyholeProcess {
  /** As it is written: a path, or a name that is looked for on the PATH. */
  readonly executable: string;
  /** The config that is asked for; undefined for a grant. */
  readonly config: string | undefined;
}

/** Undefined for a line that runs something else. */
export function keyholeProcessOf(line: string): KeyholeProcess | undefined {
  const [executable = "", ...words] = splitWords(line);
  if (!baseOf(executable).startsWith("keyhole")) return undefined;
  const at = words.findIndex((word) => word === "-n" || word === "--name");
  const inline = words.find((word) => /^(?:-n|--name)=/.test(word));
  const config = at === -1 ? inline?.slice(inline.indexOf("=") + 1) : words[at + 1];
  return { executable, config };
}

/** Words of a shell without anything but quotes; what they cannot say is no word of ours (quoting.ts). */
export function splitWords(line: string): string[] {
  const words = line.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}
