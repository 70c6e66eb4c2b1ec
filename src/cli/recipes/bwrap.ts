// bubblewrap: a file system of its own, in which the grant is the only way to credentials.
import { quotePosix } from "../../quoting.ts";
import { type MakeRecipe, targetOf, variablesFor } from "./recipe.ts";

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
