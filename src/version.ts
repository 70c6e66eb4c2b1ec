// What this build is. build.ts replaces the three names; from source they are absent.

declare const KEYHOLE_VERSION: string | undefined;
declare const KEYHOLE_COMMIT: string | undefined;
declare const KEYHOLE_TARGET: string | undefined;

export const version = typeof KEYHOLE_VERSION === "string" ? KEYHOLE_VERSION : "0.0.0-source";
export const commit = typeof KEYHOLE_COMMIT === "string" ? KEYHOLE_COMMIT : "unknown";
export const target = typeof KEYHOLE_TARGET === "string" ? KEYHOLE_TARGET : `${process.platform}-${process.arch}`;
