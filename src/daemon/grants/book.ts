// The grants of a daemon by their names: those that are served, and those on their way there; and what the audit says
// of their lives.
import type { RecordAudit } from "../../audit/line.ts";
import type { Grant } from "../../grants/grant.ts";
import type { Caller } from "../../server/dispatch.ts";
import type { Listener } from "../../server/listener.ts";
import { peerOf } from "../../server/peers.ts";
import type { FindGrant } from "./configs.ts";
import type { LiveGrant } from "./livegrant.ts";

export interface GrantBook {
  readonly lives: Map<string, LiveGrant>;
  /** Being made or opened; listed nowhere yet. One that is being made begins when it is there: its end moves meanwhile. */
  readonly pending: Map<string, () => Grant>;
  readonly find: FindGrant;
  listeners(): Listener[];
}

export function createGrantBook(): GrantBook {
  const lives = new Map<string, LiveGrant>();
  const pending = new Map<string, () => Grant>();
  return {
    lives,
    pending,
    find: (name) => {
      const grant = pending.get(name)?.();
      return lives.get(name) ?? (grant && { grant, version: -1, endsBy: Infinity });
    },
    listeners: () => [...lives.values()].flatMap(({ listener }) => listener ?? []),
  };
}

/** What happened to a grant in whole. */
export type LifeEvent = "grant" | "revoke" | "remove" | "expire";

/**
 * @param caller undefined where no request asked for it
 * @param note a fixed phrase
 */
export function recordLife(
  record: RecordAudit,
  kind: LifeEvent,
  { grant, roleArn, outstanding }: LiveGrant,
  caller: Caller | undefined,
  note?: string,
): void {
  const { name, config, sessionName, endsAt } = grant;
  record({
    kind,
    transport: caller === undefined ? "daemon" : "control",
    outcome: "ok",
    grant: name,
    config,
    roleArn,
    sessionName,
    accessKeyId: outstanding?.accessKeyId,
    // Of the grant where it begins, later of the credentials that are still out.
    expiresAt: kind === "grant" ? endsAt : outstanding?.expiresAt,
    peer: caller && peerOf(caller),
    note,
  });
}
