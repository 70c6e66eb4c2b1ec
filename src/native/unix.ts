// What Linux and macOS have in common: calls of libc, and the numbers that are the same in the headers of both.
import { type Pointer, read } from "bun:ffi";
import { cString, executeBlocks, type Library } from "./libc.ts";
import type { Native } from "./native.ts";

/** sys/resource.h */
const RLIMIT_CORE = 4;
/** sys/fcntl.h */
const LOCK_EX = 2;
const LOCK_NB = 4;
/** sys/socket.h */
const AF_UNIX = 1;
export const SOCK_STREAM = 1;
/** signal.h: the signals that Bun ignores, which would stay ignored in an executed program, and which end this one. */
const SIGPIPE = 13;
const SIGXFSZ = 25;
const SIG_DFL = 0n;
const SIG_IGN = 1n;
/** errno.h */
const errnoNames: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  7: "E2BIG",
  8: "ENOEXEC",
  13: "EACCES",
  20: "ENOTDIR",
  // Linux's numbers; macOS refuses with EPERM.
  38: "ENOSYS",
  95: "EOPNOTSUPP",
  97: "EAFNOSUPPORT",
};

/** The functions that `unixCalls` needs, for openLibc. */
export const unixFunctions = {
  setrlimit: { args: ["i32", "buffer"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  signal: { args: ["i32", "u64"], returns: "u64" },
  execve: { args: ["buffer", "buffer", "buffer"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "buffer", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
} as const;

/**
 * @param errnoLocation where this thread's errno is: each libc names that function in its own way
 * @param unixAddress a struct sockaddr_un, which each platform lays out in its own way
 * @param streamType SOCK_STREAM, with the flags that keep connect(2) from waiting where the platform has them
 */
export function unixCalls(
  libc: Library<typeof unixFunctions>,
  errnoLocation: () => Pointer | bigint | null,
  unixAddress: (path: Buffer) => Buffer,
  streamType: number,
): Pick<Native, "forbidCoreDumps" | "lockFile" | "execute" | "connectFailure"> {
  function lastError(): string {
    const location = errnoLocation();
    const errno = location === null ? 0 : read.i32(location, 0);
    return errnoNames[errno] ?? `errno ${errno}`;
  }

  return {
    forbidCoreDumps() {
      // struct rlimit { rlim_t soft, hard; }, both 64 bits wide.
      if (libc.setrlimit(RLIMIT_CORE, new BigUint64Array(2)) !== 0) throw new Error("RLIMIT_CORE was refused");
    },

    lockFile: (descriptor) => libc.flock(descriptor, LOCK_EX | LOCK_NB) === 0,

    execute(path, argv, environment) {
      const blocks = executeBlocks(argv, environment);
      const handle = (handler: bigint) => [SIGPIPE, SIGXFSZ].forEach((signal) => libc.signal(signal, handler));
      handle(SIG_DFL);
      libc.execve(cString(path), blocks.argv, blocks.environment);
      const error = lastError();
      handle(SIG_IGN);
      return error;
    },

    connectFailure(path) {
      const address = unixAddress(cString(path));
      const descriptor = libc.socket(AF_UNIX, streamType, 0);
      if (descriptor < 0) return lastError();
      const failure = libc.connect(descriptor, address, address.length) === 0 ? undefined : lastError();
      libc.close(descriptor);
      return failure;
    },
  };
}
