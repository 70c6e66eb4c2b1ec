// Becoming or starting another program, as execvp(3) looks for it.
import { KeyholeError } from "../../errors.ts";
import type { Native } from "../../native/native.ts";
import { quotePosix } from "../../text/quoting.ts";

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
  search(words, environment["PATH"], (path, argv) => native.execute(path, argv, environment));
  throw new KeyholeError("internal", "execve returned without an error");
}

/**
 * Starts `words[0]` from where it is found.
 *
 * @param path the search path
 * @param start returns undefined if the program runs, else the errno's name
 * @throws KeyholeError `not-found` (127) or `not-executable` (126)
 */
export function search(
  words: readonly string[],
  path: string | undefined,
  start: (path: string, argv: readonly string[]) => string | undefined,
): void {
  const [program = "", ...parameters] = words;
  let refusal: string | undefined;
  for (const candidate of candidates(program, path)) {
    let failure = start(candidate, words);
    // A script without a first line that names its interpreter.
    if (failure === "ENOEXEC") failure = start("/bin/sh", ["/bin/sh", candidate, ...parameters]);
    if (failure === undefined) return;
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
