// Grants that are delivered as a file, a lease: what `credential_process = cat lease.json` prints. Whenever STS gave new
// credentials it is replaced, and when there are none any more it says why. No request comes for a lease, so none can be
// refused: what is written here is all that happens.
import type { AuditEvent } from "../../audit/line.ts";
import { type ErrorName, errors, type KeyholeError, keyholeErrorOf } from "../../errors.ts";
import type { Log } from "../../server/log.ts";
import { escapeControls } from "../../text/controls.ts";
import { evidenceOf } from "../audit/requests.ts";
import type { Mount } from "../mounts/mount.ts";
import type { Issue } from "../sessions/issue.ts";
import { type LiveGrant, sessionNameOf } from "./livegrants.ts";
import { refusalOf } from "./socket.ts";

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
      const { name, config } = live.grant;
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
        sessionName: sessionNameOf(live),
      });
    },
  };
}

export interface Lease {
  /**
   * Replaces the lease, atomically. Keeps no byte of it.
   *
   * @param line the finished `credential_process` answer
   * @throws KeyholeError `unsafe-path`; the lease before it stays.
   */
  write(line: Uint8Array): void;
  /**
   * Puts an error document in the place of the credentials: JSON whose `Version` is the reason. Every SDK refuses it,
   * and botocore shows the version that it does not know. Where that cannot be written, as on a
   * file system that is full, there is no file.
   *
   * @throws KeyholeError `unsafe-path`; the credentials are gone all the same, if they could be removed.
   */
  end(reason: KeyholeError): void;
}

/** Whatever uid a container maps to can read it. */
const LEASE_MODE = 0o444;

export function createLease(mount: Pick<Mount, "write" | "clear">): Lease {
  return {
    write: (line) => mount.write("lease.json", line, LEASE_MODE),
    end: (reason) => {
      const document = escapeControls(JSON.stringify({ Version: `keyhole: ${reason.message}` }));
      try {
        mount.write("lease.json", Buffer.from(`${document}\n`), LEASE_MODE);
      } catch (error) {
        mount.clear("lease.json");
        throw error;
      }
    },
  };
}
