// bubblewrap: a file system of its own, in which the grant is the only way to credentials. firejail: the host's, of which
// the grant's place and what leads to credentials are hidden.
import { quotePosix } from "../../text/quoting.ts";
import { type MakeRecipe, placesBeside, requireHostPaths, targetOf, variablesFor } from "./recipe.ts";

/** A system with a merged /usr, as all current distributions have it; the working directory is all that can be written. */
const SYSTEM = [
  "--unshare-all --share-net --die-with-parent --clearenv",
  "--setenv PATH /usr/local/bin:/usr/bin:/bin --setenv HOME /tmp",
  "--ro-bind /usr /usr --ro-bind /etc /etc",
  "--symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib --symlink usr/lib64 /lib64",
  "--proc /proc --dev /dev --tmpfs /tmp --tmpfs /run",
] as const;

export const bwrap: MakeRecipe = (grant) => {
  // Of a cleared environment nothing has to be shadowed.
  const variables = variablesFor(grant).filter(([, value]) => value !== "");
  const lines = [
    "bwrap",
    ...SYSTEM,
    '--bind "$PWD" /work --chdir /work',
    `--ro-bind ${quotePosix(grant.directory)} ${quotePosix(targetOf(grant))}`,
    ...variables.map(([name, value]) => `--setenv ${name} ${quotePosix(value)}`),
    "-- sh",
  ];
  return { text: lines.join(" \\\n  "), remarks: [] };
};

/** A path that is to be seen hides what lies beside it; what is hidden hides all that is below, wherever it is seen. */
export const firejail: MakeRecipe = (grant, host) => {
  requireHostPaths(grant, "firejail");
  const directory = targetOf(grant);
  const lines = [
    "firejail",
    "--noprofile --caps.drop=all --nonewprivs --noroot --protocol=unix,inet,inet6",
    '--whitelist="$PWD"',
    `--whitelist=${quotePosix(directory)} --read-only=${quotePosix(directory)}`,
    // firejail's own way to say it, which no shell expands.
    "--blacklist='${HOME}/.aws'",
    ...placesBeside(directory, host).map((path) => `--blacklist=${quotePosix(path)}`),
    ...variablesFor(grant).map((pair) => `--env=${quotePosix(pair.join("="))}`),
    "sh",
  ];
  return { text: lines.join(" \\\n  "), remarks: [] };
};
