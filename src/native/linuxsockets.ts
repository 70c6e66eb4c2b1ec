// Sockets of Linux, as far as Bun does not offer them: a peer's groups, sockets that a service manager hands over, and
// datagrams to it. Constants from the kernel's uapi headers, the same on x86-64 and AArch64.
import type { Native } from "./native.ts";

/** asm-generic/socket.h */
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
const SO_PEERGROUPS = 59;
/** linux/socket.h, linux/net.h */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
/** linux/un.h: `sun_path`, behind the two bytes of `sun_family`. */
const PATH_START = 2;
const PATH_SIZE = 108;
/** asm-generic/fcntl.h */
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const F_DUPFD_CLOEXEC = 1030;
/** Not one of the standard streams. */
const LOWEST = 3;

/** linux/limits.h: NGROUPS_MAX is 65,536; asked for in steps, because nobody has so many. */
const USUAL_GROUPS = 64;
const MOST_GROUPS = 65_536;

/** The functions that `linuxSockets` needs beside `getsockopt` and `fcntl`, for openLibc. */
export const linuxSocketFunctions = {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  sendto: { args: ["i32", "buffer", "u64", "i32", "buffer", "u32"], returns: "i64" },
  getsockname: { args: ["i32", "buffer", "buffer"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
} as const;

interface SocketLibc {
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly sendto: (
    descriptor: number,
    bytes: Uint8Array,
    length: bigint,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ) => bigint | number;
  readonly getsockname: (descriptor: number, address: Uint8Array, length: Uint32Array) => number;
  readonly close: (descriptor: number) => number;
  readonly fcntl: (descriptor: number, command: number, argument: number) => number;
  readonly getsockopt: (
    descriptor: number,
    level: number,
    option: number,
    value: Uint32Array,
    length: Uint32Array,
  ) => number;
}

export function linuxSockets(
  libc: SocketLibc,
): Pick<Native, "peerGroups" | "listeningPath" | "sendDatagram" | "closeOnExecute" | "duplicate"> {
  const option = (descriptor: number, name: number): number | undefined => {
    const value = new Uint32Array(1);
    return libc.getsockopt(descriptor, SOL_SOCKET, name, value, new Uint32Array([4])) === 0 ? value[0] : undefined;
  };

  return {
    peerGroups(socketDescriptor) {
      for (const size of [USUAL_GROUPS, MOST_GROUPS]) {
        const groups = new Uint32Array(size);
        const length = new Uint32Array([groups.byteLength]);
        if (libc.getsockopt(socketDescriptor, SOL_SOCKET, SO_PEERGROUPS, groups, length) === 0) {
          return [...groups.subarray(0, length[0]! / 4)];
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
      const length = new Uint32Array([address.length]);
      if (libc.getsockname(descriptor, address, length) !== 0) return undefined;
      const name = address.subarray(PATH_START, Math.min(length[0]!, address.length));
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
  };
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
