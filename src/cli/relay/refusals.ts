// What the relay says when there are no credentials: a status by which SDKs decide whether to try again (they do on 5xx),
// and what a grant's holder may be told, because it ends up in the messages of other programs.
import { type ErrorName, errors } from "../../errors.ts";

export interface Refusal {
  /** Of HTTP. */
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export function refusalOf(kind: ErrorName): Refusal {
  const { passes, holder, inside } = errors[kind];
  const status = passes !== "never" ? 503 : kind === "internal" ? 500 : 403;
  return { status, code: kind, message: holder ?? inside ?? "no credentials" };
}
