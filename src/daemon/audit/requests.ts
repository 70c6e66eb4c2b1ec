// What is written down of the requests for a config's credentials, on the control socket and on a shared one.
import type { AuditEvent, AuditKind, RecordAudit } from "../../audit/event.ts";
import { parseSessionName } from "../../sessionname.ts";
import type { SessionInfo } from "../../wire/messages.ts";
import type { Clock } from "../../clock.ts";
import { keyholeErrorOf } from "../../server/failure.ts";
import type { Issue } from "../sessions/issue.ts";
import { peerOf, type WitnessedPeer } from "../../server/peers.ts";
import { evidenceOf } from "./evidence.ts";
import { collectRepeats } from "./repeats.ts";

export interface RequestAudit {
  /** Stands on every vend: a repeat costs two lookups. */
  vended(issue: Issue, peer: WitnessedPeer): void;
  added(session: SessionInfo, peer: WitnessedPeer): void;
  removed(config: string, peer: WitnessedPeer): void;
  /**
   * Something was refused. That there is no session yet is no refusal: the client then adds it, and that is written.
   * Names cost nothing to make up, so of one user's only some are written in a second; the others are counted.
   *
   * @param config as the peer named it; not written if it cannot be a config's name
   */
  refused(kind: AuditKind, config: string | undefined, error: unknown, peer: WitnessedPeer): void;
  /** Writes what is counted; before the file is closed. */
  flush(): void;
}

/** Names that one user is refused in a second, each on a line of its own; as many as server/limit.ts lets through. */
const REFUSALS = 20;
/** Milliseconds. */
const WINDOW = 1000;

export function createRequestAudit(
  record: RecordAudit,
  clock: Clock,
  transport: AuditEvent["transport"],
): RequestAudit {
  const repeats = collectRepeats(record, clock);
  let begun = -Infinity;
  /** Refusals of the current second, each once, by uid. */
  const refusals = new Map<number, Set<string>>();

  /** What is alike: that name and that process, or all that is over the limit. */
  function classOf(name: string, { uid, pid }: WitnessedPeer): string | undefined {
    if (clock.monotonic() - begun >= WINDOW) {
      begun = clock.monotonic();
      refusals.clear();
    }
    const names = refusals.get(uid) ?? new Set();
    refusals.set(uid, names);
    const full = `${name}\n${pid}`;
    if (names.size < REFUSALS) names.add(full);
    return names.has(full) ? full : undefined;
  }

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
    refused: (kind, asked, error, peer) => {
      // What is no name may be 4 KiB of anything, and every line of it takes the room of ten.
      const config = asked !== undefined && parseSessionName(asked) !== undefined ? asked : undefined;
      const outcome = keyholeErrorOf(error).kind;
      if (kind === "vend" && outcome === "no-such-session") return;
      const named = classOf(`${kind}\n${outcome}\n${config}`, peer);
      if (named === undefined) {
        const { uid, gid } = peer;
        const note = "other names and processes";
        repeats.record(`${kind}\n${outcome}`, uid, () => ({ kind, transport, outcome, peer: { uid, gid }, note }));
      } else {
        repeats.record(named, peer.pid, () => ({ kind, transport, outcome, config, peer: peerOf(peer) }));
      }
    },
    flush: () => repeats.flush(),
  };
}
