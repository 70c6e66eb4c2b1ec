// The small executable for a grant's directory (src/build/express/small.c), which build.ts puts here for each CPU, on
// every system: containers are Linux.

export type Cpu = "x64" | "arm64";

/** In base64; absent where keyhole runs from source. */
declare const KEYHOLE_SMALL: Readonly<Record<Cpu, string>> | undefined;

/** The file for Linux on one CPU; undefined where keyhole runs from source. */
export function smallExecutable(cpu: Cpu): Uint8Array | undefined {
  return typeof KEYHOLE_SMALL === "object" ? Uint8Array.fromBase64(KEYHOLE_SMALL[cpu]) : undefined;
}
