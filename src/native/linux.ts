// Linux, glibc and musl. Constants from the kernel's uapi headers, the same on x86-64 and AArch64.
import { read } from "bun:ffi";
import { cString, executeBlocks, openLibc } from "./libc.ts";
import type { Native, PeerIdentity } from "./native.ts";

/** asm-generic/socket.h */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** linux/prctl.h */
const PR_SET_DUMPABLE = 4;
/** asm-generic/resource.h */
const RLIMIT_CORE = 4;
/** asm-generic/fcntl.h */
const LOCK_EX = 2;
const LOCK_NB = 4;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
/** asm-generic/signal.h: the signals that Bun ignores, which would stay ignored in an executed program. */
const SIGPIPE = 13;
const SIGXFSZ = 25;
const SIG_DFL = 0n;
/** asm-generic/errno-base.h */
const errnoNames: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  7: "E2BIG",
  8: "ENOEXEC",
  13: "EACCES",
  20: "ENOTDIR",
};

export function loadLinux(): Native {
  // glibc's name first; musl's loader takes any `libc.*` for itself, but an absolute soname is there as well.
  const libc = openLibc(["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"], {
    getsockopt: { args: ["i32", "i32", "i32", "buffer", "buffer"], returns: "i32" },
    prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
    setrlimit: { args: ["i32", "buffer"], returns: "i32" },
    flock: { args: ["i32", "i32"], returns: "i32" },
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
    signal: { args: ["i32", "u64"], returns: "u64" },
    execve: { args: ["buffer", "buffer", "buffer"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  });

  // struct ucred { pid_t pid; uid_t uid; gid_t gid; }, socket(7). Reused: this stands on every accept.
  const credentials = new Uint32Array(3);
  const length = new Uint32Array(1);

  return {
    peerIdentity(socketDescriptor: number): PeerIdentity {
      length[0] = credentials.byteLength;
      if (libc.getsockopt(socketDescriptor, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0) {
        throw new Error("SO_PEERCRED is not available");
      }
      const [pid, uid, gid] = credentials as unknown as [number, number, number];
      return { pid, uid, gid };
    },

    forbidInspection(): void {
      if (libc.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) !== 0) throw new Error("PR_SET_DUMPABLE was refused");
    },

    forbidCoreDumps(): void {
      // struct rlimit { rlim_t soft, hard; }, both 64 bits wide.
      if (libc.setrlimit(RLIMIT_CORE, new BigUint64Array(2)) !== 0) throw new Error("RLIMIT_CORE was refused");
    },

    lockFile(descriptor: number): boolean {
      return libc.flock(descriptor, LOCK_EX | LOCK_NB) === 0;
    },

    execute(path, argv, environment): string {
      const blocks = executeBlocks(argv, environment);
      for (const signal of [SIGPIPE, SIGXFSZ]) libc.signal(signal, SIG_DFL);
      // Bun may have made the standard streams non-blocking; the next program does not expect that.
      for (const descriptor of [0, 1, 2]) clearNonBlocking(descriptor);
      libc.execve(cString(path), blocks.argv, blocks.environment);
      const location = libc.__errno_location();
      const errno = location === null ? 0 : read.i32(location, 0);
      return errnoNames[errno] ?? `errno ${errno}`;
    },
  };

  function clearNonBlocking(descriptor: number): void {
    const flags = libc.fcntl(descriptor, F_GETFL, 0);
    if (flags > 0 && (flags & O_NONBLOCK) !== 0) libc.fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK);
  }
}
