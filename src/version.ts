// What this build is. build.ts replaces the three names; from source they are absent.

declare const KEYHOLE_VERSION: string | undefined;
declare const KEYHOLE_COMMIT: string | undefined;
declare const KEYHOLE_TARGET: string | undefined;

/** As package.json has it. */
export const version = typeof KEYHOLE_VERSION === "string" ? KEYHOLE_VERSION : "0.0.0-source";
/** The commit it was built of. */
export const commit = typeof KEYHOLE_COMMIT === "string" ? KEYHOLE_COMMIT : "unknown";
/** `linux-x64`. */
export const target = typeof KEYHOLE_TARGET === "string" ? KEYHOLE_TARGET : `${process.platform}-${process.arch}`;
/** Tells builds apart: a daemon and the children it starts from its executable must be of one. */
export const build = `${version}+${commit}`;
