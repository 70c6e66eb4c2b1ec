// Linux: whether the process at the other end of a Unix socket still lives. Constants as in linux.ts.
import { type Pointer, read } from "bun:ffi";
import type { Native } from "./native.ts";

/** asm-generic/socket.h; since Linux 6.5. */
const SOL_SOCKET = 1;
const SO_PEERPIDFD = 77;
/** asm-generic/poll.h: a pidfd is readable once its process has ended, also before it was waited for. */
const POLLIN = 1;
/** asm-generic/errno-base.h: the process has ended and was waited for. Which of the two depends on the kernel. */
const ESRCH = 3;
const EINVAL = 22;

/** The functions that `linuxPeers` needs, for openLibc. */
export const linuxPeerFunctions = {
  getsockopt: { args: ["i32", "i32", "i32", "buffer", "buffer"], returns: "i32" },
  poll: { args: ["buffer", "u64", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  __errno_location: { args: [], returns: "ptr" },
} as const;

interface PeerLibc {
  readonly getsockopt: (
    descriptor: number,
    level: number,
    name: number,
    value: Int32Array,
    length: Uint32Array,
  ) => number;
  readonly poll: (descriptors: Int32Array, count: bigint, timeout: number) => number;
  readonly close: (descriptor: number) => number;
  readonly __errno_location: () => Pointer | bigint | null;
}

export function linuxPeers(libc: PeerLibc): Pick<Native, "isPeerAlive"> {
  // struct pollfd { int fd; short events; short revents; }. Reused: this stands on every accept.
  const polled = new Int32Array(2);
  const length = new Uint32Array(1);

  return {
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
  };
}
