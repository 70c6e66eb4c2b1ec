// Which commit a build is of, as git knows it.

/** Digits of the commit's id: enough for a repository of any size that a person will see. */
const length = 12;

/** `4edc54e17dd1`, with `-dirty` behind it where tracked files differ from it; undefined where there is no git. */
export function readCommit(root: string): string | undefined {
  const id = git(root, "rev-parse", `--short=${length}`, "HEAD");
  if (id === undefined) return undefined;
  return git(root, "status", "--porcelain", "--untracked-files=no") === "" ? id : `${id}-dirty`;
}

function git(root: string, ...words: readonly string[]): string | undefined {
  if (Bun.which("git") === null) return undefined;
  // Without locks: others may be committing.
  const { success, stdout } = Bun.spawnSync(["git", "--no-optional-locks", ...words], { cwd: root, stderr: "ignore" });
  return success ? stdout.toString().trim() : undefined;
}

/**
 * The commit that a release names. What anybody can build again is a commit, and nothing else.
 * @param given by whoever builds from an unpacked archive, or builds a commit's files in another place
 * @throws Error without git, or where files differ from the commit
 */
export function chooseCommit(given: string | undefined, found: string | undefined): string {
  if (given !== undefined) {
    if (!/^[0-9a-f]{7,40}$/.test(given)) throw new Error(`${given} is no id of a commit`);
    return given.slice(0, length);
  }
  if (found === undefined) throw new Error("git does not know the commit; name it: --commit ID");
  if (found.endsWith("-dirty")) throw new Error("files differ from the commit; commit them, or name it: --commit ID");
  return found;
}
