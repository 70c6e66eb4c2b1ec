// Where this executable lies, for whoever runs it again or looks what lies beside it.

/**
 * An absolute path. Bun knows the executable from /proc/self/exe; where there is no /proc it repeats the word that
 * started it, which is a path from the working directory or a name that was found in PATH.
 *
 * @param known `process.execPath`
 */
export function absoluteExecutable(known: string, cwd: () => string, path: string | undefined): string {
  if (known.startsWith("/")) return known;
  if (known.includes("/")) return `${cwd()}/${known}`;
  return Bun.which(known, { PATH: path ?? "", cwd: cwd() }) ?? known;
}

/** @param command the words that start keyhole. Undefined from source, where the executable is Bun's. */
export function compiledExecutable([executable, script]: readonly string[]): string | undefined {
  return script === undefined ? executable : undefined;
}
