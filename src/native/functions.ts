// The functions of libc that keyhole calls, for the static linker and for the program it links. Imports nothing.

/**
 * In the order in which their addresses are compiled in. A static executable has no dlopen: build.ts asks the linker
 * for these, and the program finds them by address (libc.ts).
 */
export const LIBC_FUNCTIONS = [
  "__errno_location",
  "execve",
  "fcntl",
  "flock",
  "getsockopt",
  "prctl",
  "setrlimit",
  "signal",
] as const;
