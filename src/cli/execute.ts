// Becoming another program, as execvp(3) looks for it.
import { KeyholeError } from "../errors.ts";
import type { Native } from "../native/native.ts";
import { quotePosix } from "../quoting.ts";

/** execvp's search path where PATH is not set (confstr(3), _CS_PATH). */
const DEFAULT_PATH = "/bin:/usr/bin";

/**
 * Becomes `words[0]` with all of `words` as its arguments. Returns never: on success this process is the other program.
 *
 * @throws KeyholeError `not-found` (127) or `not-executable` (126)
 */
export function execute(
  native: Pick<Native, "execute">,
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
): never {
  const [program = "", ...parameters] = words;
  let refusal: string | undefined;
  for (const path of candidates(program, environment["PATH"])) {
    let failure = native.execute(path, words, environment);
    // A script without a first line that names its interpreter.
    if (failure === "ENOEXEC") failure = native.execute("/bin/sh", ["/bin/sh", path, ...parameters], environment);
    if (failure !== "ENOENT" && failure !== "ENOTDIR") refusal ??= failure;
    // As execvp: a file that may not be run does not end the search, anything worse does.
    if (failure !== "ENOENT" && failure !== "ENOTDIR" && failure !== "EACCES") break;
  }
  if (refusal === undefined) throw new KeyholeError("not-found", `${program}: command not found`, "echo $PATH");
  throw new KeyholeError(
    "not-executable",
    `${program} cannot be executed (${refusal})`,
    `ls -l ${quotePosix(program)}`,
  );
}

function candidates(program: string, path: string | undefined): string[] {
  if (program === "") return [];
  if (program.includes("/")) return [program];
  return (path ?? DEFAULT_PATH).split(":").map((directory) => (directory === "" ? program : `${directory}/${program}`));
}
