// Which Debian packages the archives come from: Debian 13 (trixie), whose musl is 1.2.5. README.md says what they are.

export type Cpu = "x64" | "arm64";

export interface Package {
  /** Below the mirror's base. */
  readonly path: string;
  /** SHA-256 of the .deb, as in Debian's signed index of packages. */
  readonly sha256: string;
  /** The static library inside. */
  readonly library: string;
}

const musl = "pool/main/m/musl";
const gcc = "pool/main/g/gcc-14";

/** In the order in which a linker would search them. */
export const packages: Readonly<Record<Cpu, readonly Package[]>> = {
  x64: [
    {
      path: `${musl}/musl-dev_1.2.5-3.1~deb13u1_amd64.deb`,
      sha256: "a3f7d47e452129bb65aae201d6c115abf4d5d3efb136b38b7c6b4fa03ec065e9",
      library: "usr/lib/x86_64-linux-musl/libc.a",
    },
    {
      path: `${gcc}/libstdc++-14-dev_14.2.0-19_amd64.deb`,
      sha256: "4b962fac5f1af0bd8b1b3f97e0f47b9d8e9a79e88802143f00ebfbd78ad87a7b",
      library: "usr/lib/gcc/x86_64-linux-gnu/14/libstdc++.a",
    },
  ],
  arm64: [
    {
      path: `${musl}/musl-dev_1.2.5-3.1~deb13u1_arm64.deb`,
      sha256: "384ea029e3694baac696d3993d93246f9a4b3741c493697e1ceb7256d8820748",
      library: "usr/lib/aarch64-linux-musl/libc.a",
    },
    {
      // Atomic operations and 128-bit floating point, which GCC calls as functions on this CPU.
      path: `${gcc}/libgcc-14-dev_14.2.0-19_arm64.deb`,
      sha256: "64b8ebc7182a69aa9525df6eab5e7eb849b947e350d821549f8a8a3e9b19e5ba",
      library: "usr/lib/gcc/aarch64-linux-gnu/14/libgcc.a",
    },
    {
      path: `${gcc}/libstdc++-14-dev_14.2.0-19_arm64.deb`,
      sha256: "8760122d044cd8eb8c69426311d6b5ce7bb8f0f76e9cda1944d153ae878138f8",
      library: "usr/lib/gcc/aarch64-linux-gnu/14/libstdc++.a",
    },
  ],
};

/**
 * Functions of libc that the archives hold whether or not Bun imports them: what the product calls by address, and
 * what it may call next, so that a new call does not need new archives.
 */
export const offeredFunctions: readonly string[] = [
  "__errno_location",
  "dup2",
  "execve",
  "fchdir",
  "fchmod",
  "fcntl",
  "flock",
  "fstat",
  "getgid",
  "getgroups",
  "getpid",
  "getppid",
  "getrlimit",
  "getsockopt",
  "getuid",
  "initgroups",
  "ioctl",
  "isatty",
  "kill",
  "linkat",
  "mkdirat",
  "mlock",
  "mlockall",
  "openat",
  "prctl",
  "prlimit",
  "recvmsg",
  "renameat",
  "sendmsg",
  "setgroups",
  "setresgid",
  "setresuid",
  "setrlimit",
  "setsid",
  "setsockopt",
  "sigaction",
  "signal",
  "sigprocmask",
  "syscall",
  "tcgetattr",
  "tcsetattr",
  "umask",
  "unlinkat",
  "unshare",
  "waitpid",
];
