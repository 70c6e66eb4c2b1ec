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
      // A sandbox whose requests are signed needs no network of its own.
      ...(grant.sign === undefined ? [] : [["--net=none"]]),
    ],
    settings: undefined,
    program: (words) => ["--", ...carried(grant, words)],
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

/** linux/bpf_common.h: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_ALU|BPF_AND|BPF_K, BPF_RET|BPF_K. */
const [LOAD, IF, AND, RETURN] = [0x20, 0x15, 0x54, 0x06];
/** Of struct seccomp_data: the call, the architecture, and the lower half of the second argument, all that ioctl(2) sees. */
const [CALL, ARCH, REQUEST] = [0, 4, 24];
/** linux/audit.h */
const [X64, ARM64, I386, ARM] = [0xc000003e, 0xc00000b7, 0x40000003, 0x40000028];
/** All but __X32_SYSCALL_BIT. */
const WITHOUT_X32 = 0xbfffffff;
const [TIOCSTI, TIOCLINUX] = [0x5412, 0x541c];
/** SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM. */
const [ALLOW, DENY] = [0x7fff0000, 0x00050001];

/** Operation, instructions to skip where it is so, and where not, and its value. */
const INSTRUCTIONS = [
  [LOAD, 0, 0, ARCH],
  [IF, 0, 4, X64],
  [LOAD, 0, 0, CALL],
  [AND, 0, 0, WITHOUT_X32],
  // ioctl, and that of x32.
  [IF, 8, 0, 16],
  [IF, 7, 10, 514],
  [IF, 0, 2, ARM64],
  [LOAD, 0, 0, CALL],
  [IF, 4, 7, 29],
  [IF, 1, 0, I386],
  [IF, 0, 5, ARM],
  [LOAD, 0, 0, CALL],
  [IF, 0, 3, 54],
  [LOAD, 0, 0, REQUEST],
  [IF, 2, 0, TIOCSTI],
  [IF, 1, 0, TIOCLINUX],
  [RETURN, 0, 0, ALLOW],
  [RETURN, 0, 0, DENY],
] as const;

/**
 * For bwrap's `--seccomp`: struct sock_filter for each instruction, of a little-endian machine. Without it a program types
 * into the terminal that it shares with the shell it was started from, which then runs what it typed, outside of the
 * sandbox: TIOCSTI, and TIOCLINUX of a console (ioctl_tty(2), ioctl_console(2)). Linux 6.2 can forbid the first
 * (dev.tty.legacy_tiocsti), and many kernels do not.
 */
export function terminalFilter(): Uint8Array {
  const bytes = Buffer.alloc(8 * INSTRUCTIONS.length);
  for (const [index, [operation, so, not, value]] of INSTRUCTIONS.entries()) {
    bytes.writeUInt16LE(operation, 8 * index);
    bytes.writeUInt8(so, 8 * index + 2);
    bytes.writeUInt8(not, 8 * index + 3);
    bytes.writeUInt32LE(value, 8 * index + 4);
  }
  return bytes;
}
