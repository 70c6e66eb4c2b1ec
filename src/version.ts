// What this build is. build.ts replaces the constants; from source they are what a developer would expect to see.

declare const KEYHOLE_VERSION: string | undefined;
declare const KEYHOLE_COMMIT: string | undefined;
declare const KEYHOLE_TARGET: string | undefined;

export const version = typeof KEYHOLE_VERSION === "string" ? KEYHOLE_VERSION : "0.0.0-source";
/** The commit it was built from; `unknown` from source. */
export const commit = typeof KEYHOLE_COMMIT === "string" ? KEYHOLE_COMMIT : "unknown";
/** The platform it was built for, in Bun's words: `linux-x64-musl`. */
export const target = typeof KEYHOLE_TARGET === "string" ? KEYHOLE_TARGET : `${process.platform}-${process.arch}`;
