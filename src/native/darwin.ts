// macOS. Written from the documented constants of Apple's headers; not run by this project's tests, which have no Mac.
import { read } from "bun:ffi";
import { cString, executeBlocks, openLibc } from "./libc.ts";
import type { Native, PeerIdentity } from "./native.ts";

/** sys/un.h */
const SOL_LOCAL = 0;
const LOCAL_PEERPID = 2;
/** sys/ptrace.h: ends the process instead of letting a debugger attach. */
const PT_DENY_ATTACH = 31;
/** sys/resource.h */
const RLIMIT_CORE = 4;
/** sys/fcntl.h */
const LOCK_EX = 2;
const LOCK_NB = 4;
/** sys/signal.h: the signals that Bun ignores, which would stay ignored in an executed program. */
const SIGPIPE = 13;
const SIGXFSZ = 25;
const SIG_DFL = 0n;
/** sys/errno.h */
const errnoNames: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  7: "E2BIG",
  8: "ENOEXEC",
  13: "EACCES",
  20: "ENOTDIR",
};

export function loadDarwin(): Native {
  const libc = openLibc(["libSystem.B.dylib"], {
    getpeereid: { args: ["i32", "buffer", "buffer"], returns: "i32" },
    getsockopt: { args: ["i32", "i32", "i32", "buffer", "buffer"], returns: "i32" },
    ptrace: { args: ["i32", "i32", "u64", "i32"], returns: "i32" },
    setrlimit: { args: ["i32", "buffer"], returns: "i32" },
    flock: { args: ["i32", "i32"], returns: "i32" },
    signal: { args: ["i32", "u64"], returns: "u64" },
    execve: { args: ["buffer", "buffer", "buffer"], returns: "i32" },
    __error: { args: [], returns: "ptr" },
  });

  return {
    peerIdentity(socketDescriptor: number): PeerIdentity {
      const uid = new Uint32Array(1);
      const gid = new Uint32Array(1);
      if (libc.getpeereid(socketDescriptor, uid, gid) !== 0) throw new Error("getpeereid is not available");
      const pid = new Int32Array(1);
      const length = new Uint32Array([pid.byteLength]);
      const answered = libc.getsockopt(socketDescriptor, SOL_LOCAL, LOCAL_PEERPID, pid, length) === 0;
      return { uid: uid[0]!, gid: gid[0]!, pid: answered ? pid[0] : undefined };
    },

    forbidInspection(): void {
      if (libc.ptrace(PT_DENY_ATTACH, 0, 0n, 0) !== 0) throw new Error("PT_DENY_ATTACH was refused");
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
      libc.execve(cString(path), blocks.argv, blocks.environment);
      const location = libc.__error();
      const errno = location === null ? 0 : read.i32(location, 0);
      return errnoNames[errno] ?? `errno ${errno}`;
    },
  };
}
