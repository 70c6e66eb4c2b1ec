// Bun's runtime obeys variables that turn an executable into something else: BUN_BE_BUN=1 into the Bun command line,
// which runs any script; BUN_OPTIONS and BUN_INSPECT… into a debuggee or a preloader. There is no flag against it,
// so their names are taken out of the executable.

/** Longest first, because some are the beginnings of others. */
const NAMES = [
  "BUN_INSPECT_CONNECT_TO",
  "BUN_INSPECT_PRELOAD",
  "BUN_INSPECT_NOTIFY",
  "BUN_INSPECT",
  "BUN_OPTIONS",
  "BUN_BE_BUN",
] as const;

/**
 * A copy in which each name is zero bytes. No variable can have that name: to C it is empty, to Zig it has zeros in it,
 * and neither can stand in an environment.
 *
 * @throws Error for a name that is not there: a new Bun may have another
 */
export function neutralise(executable: Uint8Array): Uint8Array {
  const bytes = Buffer.from(executable);
  for (const name of NAMES) {
    let found = 0;
    for (let at = bytes.indexOf(name); at !== -1; at = bytes.indexOf(name, at)) {
      bytes.fill(0, at, at + name.length);
      found += 1;
    }
    if (found === 0) throw new Error(`the executable does not mention ${name}: what does this Bun obey instead?`);
  }
  return bytes;
}
