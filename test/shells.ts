// Shells of this machine, for the tests of quoting.

/** What a credential may hold, and everything that a shell could take for something else. */
export const values = [
  "ASIAEXAMPLE",
  "se/cr+et==",
  "2026-11-20T13:00:00Z",
  "",
  " ",
  "two words",
  "it's",
  'say "x"',
  "$HOME",
  "${HOME}",
  "$(echo pwned)",
  "`echo pwned`",
  "a\\b",
  "\\",
  "\\'",
  "'\\''",
  "a;b",
  "a&b|c<d>e",
  "*",
  "~",
  "!x",
  "#x",
  "-n",
  "a\nb",
  "tab\tx",
  "ünï ‘quoted’",
];

/** Those that are installed. */
export function present(shells: readonly string[]): string[] {
  return shells.filter((shell) => Bun.which(shell) !== null);
}

/** What a program receives for `value` once a shell has read `quoted`. */
export function readBack(words: readonly string[], input: string): string {
  const result = Bun.spawnSync([...words], { stdin: Buffer.from(input), env: { HOME: "/nowhere" } });
  if (result.exitCode !== 0) throw new Error(result.stderr.toString());
  return result.stdout.toString();
}
