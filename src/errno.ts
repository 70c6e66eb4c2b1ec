// The codes of system errors. Imports nothing.

/** The code of a system error: errno's name (`ENOENT`), for a certificate OpenSSL's; undefined where there is none. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Whether an error is one of these: `isErrno(error, "ENOENT")`. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(codeOf(error) ?? "");
}
