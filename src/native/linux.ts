// Linux, glibc and musl. Constants are of the kernel's uapi headers, the same on x86-64 and AArch64.
import { ptr, read } from "bun:ffi";
import { cString, openLibc } from "./libc.ts";
import type { Native, PeerIdentity } from "./native.ts";
import { SOCK_STREAM, unixCalls, unixFunctions } from "./unix.ts";

/** asm-generic/socket.h */
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_PEERCRED = 17;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
const SO_PEERGROUPS = 59;
/** Since Linux 6.5. */
const SO_PEERPIDFD = 77;
/** linux/socket.h, linux/net.h */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
/** linux/un.h: `sun_path`, behind the two bytes of `sun_family`. */
const PATH_START = 2;
const PATH_SIZE = 108;
/** asm-generic/poll.h: a pidfd is readable once its process has ended, also before it was waited for. */
const POLLIN = 1;
/** asm-generic/errno-base.h: the process has ended and was waited for. Which of the two depends on the kernel. */
const ESRCH = 3;
const EINVAL = 22;
/** linux/prctl.h */
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;
/** asm-generic/fcntl.h */
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const F_DUPFD_CLOEXEC = 1030;
/** Not one of the standard streams. */
const LOWEST = 3;

/** linux/limits.h: NGROUPS_MAX is 65,536; asked for in steps, because a user has a few. */
const USUAL_GROUPS = 64;
const MOST_GROUPS = 65_536;

export function loadLinux(): Native {
  const libc = openLibc({
    ...unixFunctions,
    sendto: { args: ["i32", "buffer", "u64", "i32", "buffer", "u32"], returns: "i64" },
    getsockname: { args: ["i32", "buffer", "buffer"], returns: "i32" },
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
  const option = (descriptor: number, name: number): number | undefined => {
    const value = new Uint32Array(1);
    return libc.getsockopt(descriptor, SOL_SOCKET, name, value, new Uint32Array([4])) === 0 ? value[0] : undefined;
  };
  // struct pollfd { int fd; short events; short revents; }
  const polled = new Int32Array(2);

  function pidfdOf(socketDescriptor: number): number | undefined {
    length[0] = Int32Array.BYTES_PER_ELEMENT;
    return libc.getsockopt(socketDescriptor, SOL_SOCKET, SO_PEERPIDFD, polled, length) === 0 ? polled[0] : undefined;
  }

  function hasNotEnded(pidfd: number): boolean | undefined {
    polled[0] = pidfd;
    polled[1] = POLLIN;
    const ready = libc.poll(polled, 1n, 0);
    return ready < 0 ? undefined : ready === 0;
  }

  return {
    ...calls,

    peerIdentity(socketDescriptor: number): PeerIdentity {
      length[0] = credentials.byteLength;
      if (libc.getsockopt(socketDescriptor, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0) {
        throw new Error("SO_PEERCRED is not available");
      }
      const [pid, uid, gid] = credentials as unknown as [number, number, number];
      return { pid, uid, gid };
    },

    isPeerAlive(socketDescriptor) {
      const pidfd = pidfdOf(socketDescriptor);
      if (pidfd === undefined) {
        const location = libc.__errno_location();
        const errno = location === null ? 0 : read.i32(location, 0);
        return errno === ESRCH || errno === EINVAL ? false : undefined;
      }
      const isAlive = hasNotEnded(pidfd);
      libc.close(pidfd);
      return isAlive;
    },

    holdPeer(socketDescriptor) {
      const pidfd = pidfdOf(socketDescriptor);
      if (pidfd === undefined) return undefined;
      return { isAlive: () => hasNotEnded(pidfd), close: () => void libc.close(pidfd) };
    },

    peerGroups(socketDescriptor) {
      for (const size of [USUAL_GROUPS, MOST_GROUPS]) {
        const groups = new Uint32Array(size);
        length[0] = groups.byteLength;
        if (libc.getsockopt(socketDescriptor, SOL_SOCKET, SO_PEERGROUPS, groups, length) === 0) {
          return [...groups.subarray(0, length[0] / 4)];
        }
      }
      // Before Linux 4.13, or in a sandbox (gVisor) that does not say.
      return [];
    },

    listeningPath(descriptor) {
      const isListening =
        option(descriptor, SO_DOMAIN) === AF_UNIX &&
        option(descriptor, SO_TYPE) === SOCK_STREAM &&
        option(descriptor, SO_ACCEPTCONN) === 1;
      if (!isListening) return undefined;
      const address = new Uint8Array(PATH_START + PATH_SIZE);
      length[0] = address.length;
      if (libc.getsockname(descriptor, address, length) !== 0) return undefined;
      const name = address.subarray(PATH_START, Math.min(length[0], address.length));
      const end = name.indexOf(0);
      // An abstract name begins with a zero: it has no file, and so no owner and no mode.
      return end === 0 || name.length === 0
        ? undefined
        : new TextDecoder().decode(end === -1 ? name : name.subarray(0, end));
    },

    sendDatagram(path, text) {
      const bytes = new TextEncoder().encode(text);
      const address = encodeAddress(path);
      if (address === undefined) return false;
      const descriptor = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      if (descriptor < 0) return false;
      // A receiver that reads nothing would stop this process once its queue is full.
      const flags = MSG_NOSIGNAL | MSG_DONTWAIT;
      const sent = libc.sendto(descriptor, bytes, BigInt(bytes.length), flags, address, address.length);
      libc.close(descriptor);
      return Number(sent) === bytes.length;
    },

    closeOnExecute: (descriptor) => libc.fcntl(descriptor, F_SETFD, FD_CLOEXEC) === 0,

    duplicate(descriptor) {
      const other = libc.fcntl(descriptor, F_DUPFD_CLOEXEC, LOWEST);
      return other < 0 ? undefined : other;
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

/** struct sockaddr_un of unix(7); undefined for a name that does not fit. `@name` is abstract, as systemd writes it. */
function encodeAddress(path: string): Uint8Array | undefined {
  const isAbstract = path.startsWith("@");
  const name = new TextEncoder().encode(isAbstract ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > PATH_SIZE) return undefined;
  const address = new Uint8Array(PATH_START + name.length);
  // Both CPUs are little-endian.
  address[0] = AF_UNIX;
  address.set(name, PATH_START);
  return address;
}
