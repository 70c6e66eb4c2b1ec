// A failure, as whoever asked may be told of it.
import { KeyholeError } from "../errors.ts";

/** What is not a KeyholeError is a bug of ours, and its text stays in the log. */
export function keyholeErrorOf(error: unknown): KeyholeError {
  return error instanceof KeyholeError ? error : new KeyholeError("internal", "the daemon failed; its log says why");
}
