// What the daemon's parts say about themselves. The file behind it is file.ts.

/** Values of a log line. Never a secret; text from outside is escaped by whoever writes it down. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** From the least to the most important. */
export type LogLevel = "info" | "warn" | "error";

/** `event` is a fixed phrase (`session renewed`), never built from input; what varies goes into the fields. */
export type Log = (level: LogLevel, event: string, fields?: LogFields) => void;
