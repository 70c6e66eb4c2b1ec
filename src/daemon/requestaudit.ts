// What is written down of the requests for a config's credentials, on the control socket and on a shared one.
import type { AuditEvent, AuditKind, RecordAudit } from "../audit/event.ts";
import { KeyholeError } from "../errors.ts";
import type { SessionInfo } from "../wire/messages.ts";
import type { Clock } from "./clock.ts";
import { evidenceOf } from "./evidence.ts";
import type { Issue } from "./issue.ts";
import { peerOf, type WitnessedPeer } from "./peers.ts";
import { collectRepeats } from "./repeats.ts";

export interface RequestAudit {
  /** Stands on every vend: a repeat costs two lookups. */
  vended(issue: Issue, peer: WitnessedPeer): void;
  added(session: SessionInfo, peer: WitnessedPeer): void;
  removed(config: string, peer: WitnessedPeer): void;
  /**
   * Something was refused. That there is no session yet is no refusal: the client then adds it, and that is written.
   *
   * @param config as the peer named it
   */
  refused(kind: AuditKind, config: string | undefined, error: unknown, peer: WitnessedPeer): void;
  /** Writes what is counted; before the file is closed. */
  flush(): void;
}

export function createRequestAudit(
  record: RecordAudit,
  clock: Clock,
  transport: AuditEvent["transport"],
): RequestAudit {
  const repeats = collectRepeats(record, clock);

  return {
    vended: (issue, peer) =>
      repeats.record(issue, peer.pid, () => ({
        kind: "vend",
        transport,
        outcome: "ok",
        ...evidenceOf(issue),
        peer: peerOf(peer),
      })),
    added: ({ config, roleArn, accessKeyId, expiresAt }, peer) =>
      record({
        kind: "session",
        transport,
        outcome: "ok",
        config,
        roleArn,
        accessKeyId,
        expiresAt,
        peer: peerOf(peer),
        note: "added",
      }),
    removed: (config, peer) =>
      record({ kind: "session", transport, outcome: "ok", config, peer: peerOf(peer), note: "removed" }),
    refused: (kind, config, error, peer) => {
      const outcome = error instanceof KeyholeError ? error.kind : "internal";
      if (kind === "vend" && outcome === "no-such-session") return;
      // One text for all that is alike: no name holds a line break.
      repeats.record(`${kind}\n${outcome}\n${config}`, peer.pid, () => ({
        kind,
        transport,
        outcome,
        config,
        peer: peerOf(peer),
      }));
    },
    flush: () => repeats.flush(),
  };
}
