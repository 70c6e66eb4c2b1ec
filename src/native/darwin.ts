// macOS. Written from the documented constants of Apple's headers; not run by this project's tests, which have no Mac.
import { openLibc } from "./libc.ts";
import type { Native, PeerIdentity } from "./native.ts";
import { SOCK_STREAM, unixCalls, unixFunctions } from "./unix.ts";

/** sys/un.h */
const SOL_LOCAL = 0;
const LOCAL_PEERPID = 2;
/** sys/socket.h */
const AF_UNIX = 1;
/** sys/ptrace.h: ends the process instead of letting a debugger attach. */
const PT_DENY_ATTACH = 31;

export function loadDarwin(): Native {
  const libc = openLibc({
    ...unixFunctions,
    getpeereid: { args: ["i32", "buffer", "buffer"], returns: "i32" },
    getsockopt: { args: ["i32", "i32", "i32", "buffer", "buffer"], returns: "i32" },
    ptrace: { args: ["i32", "i32", "u64", "i32"], returns: "i32" },
    __error: { args: [], returns: "ptr" },
  });

  return {
    // struct sockaddr_un { u8 length; u8 family; char path[104]; }, sys/un.h.
    ...unixCalls(
      libc,
      () => libc.__error(),
      (path) => Buffer.concat([Buffer.from([path.length + 2, AF_UNIX]), path]),
      SOCK_STREAM,
    ),

    peerIdentity(socketDescriptor: number): PeerIdentity {
      const uid = new Uint32Array(1);
      const gid = new Uint32Array(1);
      if (libc.getpeereid(socketDescriptor, uid, gid) !== 0) throw new Error("getpeereid is not available");
      const pid = new Int32Array(1);
      const length = new Uint32Array([pid.byteLength]);
      const answered = libc.getsockopt(socketDescriptor, SOL_LOCAL, LOCAL_PEERPID, pid, length) === 0;
      return { uid: uid[0]!, gid: gid[0]!, pid: answered ? pid[0] : undefined };
    },

    // LOCAL_PEERPID has nothing like a pidfd.
    isPeerAlive: () => undefined,
    holdPeer: () => undefined,

    // LOCAL_PEERCRED has no more than sixteen groups, and no more than getpeereid of which one could be sure.
    peerGroups: () => [],
    // launchd hands over sockets in another way (launch_activate_socket), and wants no notice.
    listeningPath: () => undefined,
    sendDatagram: () => false,
    closeOnExecute: () => true,
    // fcntl is variadic, and Apple's CPUs pass such arguments in another way.
    duplicate: () => undefined,

    isInspectable: () => true,
    // There it is the file's name, or its beginning.
    setName: () => {},

    forbidInspection(): void {
      if (libc.ptrace(PT_DENY_ATTACH, 0, 0n, 0) !== 0) throw new Error("PT_DENY_ATTACH was refused");
    },
  };
}

// When a process began, on macOS. As darwin.ts, not run by this project's tests.

/** sys/proc_info.h: struct proc_bsdinfo, of which pbi_status and pbi_start_tvsec. */
const PROC_PIDTBSDINFO = 3;
const INFO_BYTES = 136;
const STATUS_AT = 4;
const START_AT = 120;
/** sys/proc.h */
const SZOMB = 5;

export function loadDarwinStartOf(): (pid: number) => string | undefined {
  const libc = openLibc({ proc_pidinfo: { args: ["i32", "i32", "u64", "buffer", "i32"], returns: "i32" } });
  const info = new DataView(new ArrayBuffer(INFO_BYTES));
  return (pid) => {
    const length = libc.proc_pidinfo(pid, PROC_PIDTBSDINFO, 0n, info, INFO_BYTES);
    if (length !== INFO_BYTES || info.getUint32(STATUS_AT, true) === SZOMB) return undefined;
    return `${info.getBigUint64(START_AT, true)}.${info.getBigUint64(START_AT + 8, true)}`;
  };
}
