// bubblewrap: a file system of its own, in which the grant is the only way to credentials. firejail: the host's, of which
// the grant's place and what leads to credentials are hidden.
import type { GrantInfo } from "../../wire/messages.ts";
import {
  carried,
  HERE,
  type Invocation,
  type MakeRecipe,
  paste,
  placesBeside,
  type RecipeHost,
  requireHostPaths,
  staysOpen,
  targetOf,
  variablesFor,
} from "./recipe.ts";

/** A system with a merged /usr, as all current distributions have it; the working directory is all that can be written. */
const SYSTEM = [
  "--unshare-all --share-net --clearenv",
  "--setenv PATH /usr/local/bin:/usr/bin:/bin --setenv HOME /tmp",
  "--ro-bind /usr /usr --ro-bind /etc /etc",
  "--symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib --symlink usr/lib64 /lib64",
  "--proc /proc --dev /dev --tmpfs /tmp --tmpfs /run",
].map((line) => line.split(" "));

export function invokeBwrap(grant: GrantInfo): Invocation {
  // Of a cleared environment nothing has to be shadowed.
  const variables = variablesFor(grant).filter(([, value]) => value !== "");
  return {
    variables: [],
    lines: [
      ["bwrap"],
      // A sandbox whose requests are signed needs no network of its own.
      ...SYSTEM.map((line) => (grant.sign === undefined ? line : line.filter((word) => word !== "--share-net"))),
      ["--bind", HERE, "/work", "--chdir", "/work"],
      ["--ro-bind", grant.directory, targetOf(grant)],
      ...variables.map(([name, value]) => ["--setenv", name, value]),
    ],
    settings: undefined,
    program: (words) => ["--", ...carried(grant, words)],
  };
}

export const bwrap: MakeRecipe = (grant) => {
  const invocation = invokeBwrap(grant);
  const [tool = [], ...lines] = invocation.lines;
  // Behind a shell that is closed nothing stays; `keyhole run` leaves the program to itself. Nor does anything type into
  // that shell's terminal, which `keyhole run` forbids by a filter, and leaves the program its jobs.
  const text = paste({ ...invocation, lines: [[...tool, "--die-with-parent", "--new-session"], ...lines] });
  return {
    text: `# not in your home: all that lies below the working directory is seen at /work\n${text}`,
    remarks: [],
  };
};

/** A path that is to be seen hides what lies beside it; what is hidden hides all that is below, wherever it is seen. */
export function invokeFirejail(grant: GrantInfo, host: RecipeHost): Invocation {
  requireHostPaths(grant, "firejail");
  const directory = targetOf(grant);
  return {
    variables: [],
    lines: [
      ["firejail"],
      "--noprofile --caps.drop=all --nonewprivs --noroot --protocol=unix,inet,inet6".split(" "),
      [`--whitelist=${HERE}`],
      [`--whitelist=${directory}`, `--read-only=${directory}`],
      // firejail's own way to say it, which no shell expands.
      ["--blacklist=${HOME}/.aws"],
      ...placesBeside(directory, host).map((path) => [`--blacklist=${path}`]),
      ...variablesFor(grant).map((pair) => [`--env=${pair.join("=")}`]),
    ],
    settings: undefined,
    program: (words) => ["--", ...words],
  };
}

export const firejail: MakeRecipe = (grant, host) => ({
  text: [
    `# ${staysOpen("your terminal")}: what runs in it can type commands into it, where Linux lets it`,
    "# (sysctl dev.tty.legacy_tiocsti); keyhole run --in firejail closes that",
    paste(invokeFirejail(grant, host)),
  ].join("\n"),
  remarks: [],
});
