// What is written down of the requests for a config's credentials, on the control socket and on a shared one.
import type { AuditEvent, AuditKind, RecordAudit } from "../../audit/line.ts";
import { parseSessionName } from "../../config/name.ts";
import { roleSessionOf } from "../../grants/grant.ts";
import type { SessionInfo } from "../../wire/messages.ts";
import type { Clock, Timer } from "../../clock.ts";
import { keyholeErrorOf } from "../../errors.ts";
import type { Issue } from "../sessions/issue.ts";
import { peerOf, type WitnessedPeer } from "../../server/peers.ts";
import type { Session } from "../sessions/session.ts";

export interface RequestAudit {
  /** Stands on every vend: a repeat costs two lookups. A promise resolves when the line is written; the answer waits for it. */
  vended(issue: Issue, peer: WitnessedPeer): void | Promise<void>;
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

/** Names that one user is refused in a second, each on a line of its own; as many as server/log.ts lets through. */
const REFUSALS = 20;
/** Milliseconds. */
const WINDOW = 1000;

/** @param recordVend for vends alone: a client may ask for thousands of sessions, and the lines are written together */
export function createRequestAudit(
  record: RecordAudit,
  clock: Clock,
  transport: AuditEvent["transport"],
  recordVend: Record = record,
): RequestAudit {
  const repeats = collectRepeats(record, clock);
  const vends = collectRepeats(recordVend, clock);
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
      vends.record(issue, peer.pid, () => ({
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
        void repeats.record(`${kind}\n${outcome}`, uid, () => ({ kind, transport, outcome, peer: { uid, gid }, note }));
      } else {
        void repeats.record(named, peer.pid, () => ({ kind, transport, outcome, config, peer: peerOf(peer) }));
      }
    },
    flush: () => {
      vends.flush();
      repeats.flush();
    },
  };
}

// What the audit says of credentials: enough to find them in CloudTrail, and no secret.

type Evidence = Pick<AuditEvent, "config" | "roleArn" | "sessionName" | "accessKeyId" | "expiresAt">;

export function evidenceOf(issue: Issue): Evidence {
  const { config, roleArn, arn, credentials, expiresAt } = issue;
  return {
    config,
    roleArn: roleArn || arn,
    sessionName: sessionNameOf(issue),
    accessKeyId: credentials.accessKeyId,
    expiresAt,
  };
}

/** Behind the `AROA…:`; where the STS tells none (Ceph RGW), behind the last slash of the assumed role's ARN. */
function sessionNameOf({ assumedRoleId, arn }: Issue): string | undefined {
  const [, name] = assumedRoleId.split(":", 2);
  return name || roleSessionOf(arn)?.session;
}

/**
 * For SessionsDependencies.settled: one line for every new issue, none for an attempt that failed.
 *
 * @returns takes the grant that the session is of, and that one's config
 */
export function recordIssues(
  record: RecordAudit,
): (session: Session, of?: Pick<AuditEvent, "grant" | "config">) => void {
  const recorded = new WeakSet<Issue>();
  return ({ issue }, of) => {
    if (issue === undefined || recorded.has(issue)) return;
    recorded.add(issue);
    record({ kind: "issue", transport: "daemon", outcome: "ok", ...evidenceOf(issue), ...of });
  };
}

// Alike events of one process within a second as one line: a client that asks 30,000 times a second must not cost as many
// writes, nor rotate the evidence out.

/** A promise resolves when the line is written. */
type Record = (event: AuditEvent) => void | Promise<void>;

/** The event that was written at once, and how many followed it. */
interface Repeat {
  readonly event: AuditEvent;
  more: number;
}

export interface Repeats {
  /**
   * The first is written at once, the others as one line with their count when the second is over. Whether the peer
   * still lives is asked for the first alone.
   *
   * @param what the same value for what is alike
   * @returns what writing the first returns; nothing for the others
   */
  record(what: unknown, pid: number | undefined, event: () => AuditEvent): void | Promise<void>;
  /** Writes what is counted. */
  flush(): void;
}

export function collectRepeats(record: Record, clock: Clock): Repeats {
  const open = new Map<unknown, Map<number | undefined, Repeat>>();
  let timer: Timer | undefined;

  function flush(): void {
    timer?.cancel();
    timer = undefined;
    for (const ofPid of open.values()) {
      for (const { event, more } of ofPid.values()) if (more > 0) void record({ ...event, count: more });
    }
    open.clear();
  }

  function begin(what: unknown, pid: number | undefined, event: AuditEvent): void | Promise<void> {
    const ofPid = open.get(what) ?? new Map<number | undefined, Repeat>();
    ofPid.set(pid, { event, more: 0 });
    open.set(what, ofPid);
    timer ??= clock.after(WINDOW, flush);
    return record(event);
  }

  return {
    record: (what, pid, event) => {
      const repeat = open.get(what)?.get(pid);
      if (repeat === undefined) return begin(what, pid, event());
      repeat.more += 1;
      return undefined;
    },
    flush,
  };
}
