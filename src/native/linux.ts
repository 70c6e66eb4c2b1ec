// Linux, glibc and musl. Constants from the kernel's uapi headers, the same on x86-64 and AArch64.
import { ptr, read } from "bun:ffi";
import { cString, openLibc } from "./libc.ts";
import { linuxSocketFunctions, linuxSockets } from "./linuxsockets.ts";
import type { Native, PeerIdentity } from "./native.ts";
import { SOCK_STREAM, unixCalls, unixFunctions } from "./unix.ts";

/** asm-generic/socket.h */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** Since Linux 6.5. */
const SO_PEERPIDFD = 77;
/** asm-generic/poll.h: a pidfd is readable once its process has ended, also before it was waited for. */
const POLLIN = 1;
/** asm-generic/errno-base.h: the process has ended and was waited for. Which of the two depends on the kernel. */
const ESRCH = 3;
const EINVAL = 22;
/** linux/socket.h, linux/net.h */
const AF_UNIX = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** linux/prctl.h */
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;
/** asm-generic/fcntl.h */
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;

export function loadLinux(): Native {
  const libc = openLibc({
    ...unixFunctions,
    ...linuxSocketFunctions,
    getsockopt: { args: ["i32", "i32", "i32", "buffer", "buffer"], returns: "i32" },
    prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
    poll: { args: ["buffer", "u64", "i32"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  });

  // struct sockaddr_un { sa_family_t family; char path[108]; }, unix(7).
  const calls = unixCalls(
    libc,
    () => libc.__errno_location(),
    (path) => Buffer.concat([Buffer.from(new Uint16Array([AF_UNIX]).buffer), path]),
    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
  );

  // struct ucred { pid_t pid; uid_t uid; gid_t gid; }, socket(7). Reused: this stands on every accept.
  const credentials = new Uint32Array(3);
  const length = new Uint32Array(1);
  // struct pollfd { int fd; short events; short revents; }
  const polled = new Int32Array(2);

  return {
    ...calls,
    ...linuxSockets(libc),

    peerIdentity(socketDescriptor: number): PeerIdentity {
      length[0] = credentials.byteLength;
      if (libc.getsockopt(socketDescriptor, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0) {
        throw new Error("SO_PEERCRED is not available");
      }
      const [pid, uid, gid] = credentials as unknown as [number, number, number];
      return { pid, uid, gid };
    },

    isPeerAlive(socketDescriptor) {
      length[0] = Int32Array.BYTES_PER_ELEMENT;
      if (libc.getsockopt(socketDescriptor, SOL_SOCKET, SO_PEERPIDFD, polled, length) !== 0) {
        const location = libc.__errno_location();
        const errno = location === null ? 0 : read.i32(location, 0);
        return errno === ESRCH || errno === EINVAL ? false : undefined;
      }
      const pidfd = polled[0]!;
      polled[1] = POLLIN;
      const ready = libc.poll(polled, 1n, 0);
      libc.close(pidfd);
      return ready < 0 ? undefined : ready === 0;
    },

    setName(name): void {
      const text = cString(name);
      libc.prctl(PR_SET_NAME, BigInt(ptr(text)), 0n, 0n, 0n);
    },

    isInspectable: () => libc.prctl(PR_GET_DUMPABLE, 0n, 0n, 0n, 0n) === 1,

    forbidInspection(): void {
      if (libc.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) !== 0) throw new Error("PR_SET_DUMPABLE was refused");
    },

    execute(path, argv, environment): string {
      // Bun may have made the standard streams non-blocking; the next program does not expect that.
      for (const descriptor of [0, 1, 2]) clearNonBlocking(descriptor);
      return calls.execute(path, argv, environment);
    },
  };

  function clearNonBlocking(descriptor: number): void {
    const flags = libc.fcntl(descriptor, F_GETFL, 0);
    if (flags > 0 && (flags & O_NONBLOCK) !== 0) libc.fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK);
  }
}
