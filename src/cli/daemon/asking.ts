// What a daemon says of itself, its sessions and its grants.
import type { Link } from "../../client/asking.ts";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import type { DaemonStatus, GrantInfo } from "../../wire/messages.ts";

/** Two answers of one daemon. */
export interface FullStatus {
  readonly status: DaemonStatus;
  /** Undefined if the daemon does not say: it may be of a release that knows none. */
  readonly grants: readonly GrantInfo[] | undefined;
}

/** Whatever keeps it from telling its grants, what is known is worth showing; one that has gone is none. */
export async function askStatus(link: Link): Promise<FullStatus> {
  const status = await link.request("Status", {});
  return { status, grants: (await askIfKnown(() => link.request("GrantList", {})))?.grants };
}

/** Undefined if the daemon does not say. */
export async function askIfKnown<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof KeyholeError) || isErrorOf(error, "unreachable")) throw error;
    return undefined;
  }
}
