// Grants that are delivered as a file: whenever STS gave new credentials the lease is replaced, and when there are none
// any more it says why. Nobody asks for a lease, so nobody can be refused: what is written here is all that happens.
import type { AuditEvent } from "../../audit/line.ts";
import { type ErrorName, errors } from "../../errors.ts";
import { evidenceOf } from "../audit/requests.ts";
import { keyholeErrorOf } from "../../server/failure.ts";
import type { Issue } from "../sessions/issue.ts";
import type { Log } from "../../server/log.ts";
import type { LiveGrant } from "./livegrant.ts";
import { refusalOf } from "./refusal.ts";

export interface DeliveryDependencies {
  readonly record: (event: AuditEvent) => void;
  readonly log: Log;
}

export interface Delivery {
  /** Puts credentials into the lease, unless they are there. A full disk is tried again with the next call. */
  deliver(live: LiveGrant, issue: Issue): void;
  /** Puts the reason into the lease why there are none. */
  withhold(live: LiveGrant, kind: ErrorName): void;
}

export function createDelivery({ record, log }: DeliveryDependencies): Delivery {
  function write(live: LiveGrant, content: string, action: () => void): boolean {
    if (live.lease === undefined || live.leased === content) return false;
    try {
      action();
      live.leased = content;
      live.isLeaseStale = false;
      return true;
    } catch (error) {
      live.lastError = keyholeErrorOf(error);
      live.isLeaseStale = true;
      log("error", "lease not written", { grant: live.grant.name, error: live.lastError.message });
      return false;
    }
  }

  return {
    deliver(live, issue) {
      const { accessKeyId } = issue.credentials;
      if (!write(live, accessKeyId, () => live.lease?.write(issue.line))) return;
      const { name, config } = live.grant;
      log("info", "lease written", { grant: name, accessKeyId });
      record({ kind: "vend", transport: "file", outcome: "ok", ...evidenceOf(issue), grant: name, config });
    },
    withhold(live, kind) {
      // What passes says nothing against a lease that a daemon before this one wrote.
      if (live.leased === undefined && errors[kind].passes !== "never") return;
      const { name, config, sessionName } = live.grant;
      const reason = refusalOf(kind, name);
      if (!write(live, reason.kind, () => live.lease?.end(reason))) return;
      log("info", "lease ended", { grant: name, kind });
      // The end of a grant has a line of its own.
      if (kind === "revoked" || kind === "expired") return;
      record({
        kind: "vend",
        transport: "file",
        outcome: kind,
        grant: name,
        config,
        roleArn: live.roleArn,
        sessionName,
      });
    },
  };
}
