/** The functions of libc that probe.ts calls by address. */
export const libcFunctions = ["__errno_location", "flock", "getsockopt", "prctl"] as const;
