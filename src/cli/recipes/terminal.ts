// A filter for seccomp(2) against a program that types into the terminal that it shares with the shell it was started
// from, which then runs what it typed, outside of the sandbox: TIOCSTI, and TIOCLINUX of a console (ioctl_tty(2),
// ioctl_console(2)). Linux 6.2 can forbid the first (dev.tty.legacy_tiocsti), and many kernels do not.

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

/** For bwrap's `--seccomp`: struct sock_filter for each instruction, of a little-endian machine. */
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
