// What a grant socket does: it answers Fetch with the grant's credentials, and everything else with one and the same
// refusal. Nothing that comes over it reaches STS, the file system or a process. Instead of credentials it gives a fixed
// text for each kind of error; what happened is in the log, in `grant show` and in the audit, for the grant's owner.
import type { AuditEvent, AuditPeer } from "../../audit/line.ts";
import { type ErrorName, errors, KeyholeError, keyholeErrorOf } from "../../errors.ts";
import { type Grant, stateOf } from "../../grants/grant.ts";
import { type Caller, type Dispatch, encodeError } from "../../server/dispatch.ts";
import type { LimitedLog } from "../../server/log.ts";
import { peerOf } from "../../server/peers.ts";
import { IN_SANDBOX } from "../../server/peer-program.ts";
import { showOnOneLine } from "../../text/controls.ts";
import { BODY_START, type Frame } from "../../wire/frame.ts";
import { messages, PROTOCOL_VERSION } from "../../wire/messages.ts";
import { answerFetch, type Issue } from "../sessions/issue.ts";
import { type LiveGrant, sessionNameOf } from "./livegrants.ts";

export interface GrantSocketDependencies {
  /** On AWS's clock, in milliseconds since the epoch. */
  readonly now: (live: LiveGrant) => number;
  readonly vend: (live: LiveGrant) => Issue | Promise<Issue>;
  /** Resolves if a person allows it. @throws KeyholeError `denied` */
  readonly confirm: (live: LiveGrant, question: string) => Promise<void>;
  /** Writes down one more use, where uses are bounded. Throws what writing throws; nothing is answered then. */
  readonly count: (live: LiveGrant) => void;
  readonly record: (event: AuditEvent) => void;
  /** For every answer with credentials, which leaves when its line is written. */
  readonly recordSoon: (event: AuditEvent) => Promise<void>;
  /** For what a holder can do as often as it likes; see audit/requests.ts. */
  readonly tally: (key: string, event: () => AuditEvent) => void;
  readonly log: LimitedLog;
}

export interface GrantSocket {
  readonly dispatch: Dispatch;
  /** The reply to bytes that are no request. */
  readonly refusal: (caller: Caller) => Uint8Array;
}

/** The order of what is asked for each Fetch: who, whether the grant still answers, how often, a person, the session. */
export function createGrantSocket(live: LiveGrant, dependencies: GrantSocketDependencies): GrantSocket {
  const { now, vend, confirm, count, record, recordSoon, tally, log } = dependencies;
  const refusals = createRefusals(live.grant.name);
  /** What each connection was given last. */
  const lastGiven = new WeakMap<Caller, { readonly issue: Issue; readonly event: AuditEvent }>();

  let copied: { readonly issue: Issue; readonly frame: Uint8Array; readonly written: Promise<void> } | undefined;

  function refuseJunk(caller: Caller): Uint8Array {
    live.refusals += 1;
    tally(`junk ${live.grant.name}`, () => ({ ...eventOf(live, caller), kind: "junk", outcome: "forbidden" }));
    return refusals("forbidden");
  }

  function answer(caller: Caller): Uint8Array | Promise<Uint8Array> {
    try {
      admit(live.grant, caller);
      refuseEnded(live.grant, now(live));
      const turn = live.limiter.take();
      if (turn !== undefined || live.grant.confirm) return answerLater(turn, caller);
      const given = vend(live);
      return given instanceof Promise ? giveLater(given, caller) : give(given, caller);
    } catch (error) {
      return refuse(error, caller);
    }
  }

  async function answerLater(turn: Promise<void> | undefined, caller: Caller): Promise<Uint8Array> {
    try {
      await turn;
      if (live.grant.confirm) {
        refuseEnded(live.grant, now(live));
        await askPerson(caller);
      }
      // All of it may have changed since the last look.
      admit(live.grant, caller);
      refuseEnded(live.grant, now(live));
      return await giveLater(vend(live), caller);
    } catch (error) {
      return refuse(error, caller);
    }
  }

  async function giveLater(late: Issue | Promise<Issue>, caller: Caller): Promise<Uint8Array> {
    try {
      return give(await late, caller);
    } catch (error) {
      return refuse(error, caller);
    }
  }

  /** In one turn with what gave the issue: its bytes are wiped when it is replaced. */
  function give(issue: Issue, caller: Caller): Promise<Uint8Array> {
    // The last use may have gone to another request, or the grant have ended, while this one waited.
    refuseEnded(live.grant, now(live));
    count(live);
    const { accessKeyId } = issue.credentials;
    const { name } = live.grant;
    log("info", "grant vended", () => ({ grant: name, accessKeyId, ...whoIs(caller) }));
    const written = recordSoon(eventOfVend(issue, caller));
    const frame = copyOf(issue, written);
    return written.then(() => frame);
  }

  /** The answer, as bytes that outlast the turn: the same for all that wait for one write. */
  function copyOf(issue: Issue, written: Promise<void>): Uint8Array {
    if (copied?.written === written && copied.issue === issue) return copied.frame;
    const frame = answerFetch(issue, live.grant).slice();
    copied = { issue, frame, written };
    void written.then(() => (copied = undefined));
    return frame;
  }

  /** The same object for the same event, which is put into JSON once then. */
  function eventOfVend(issue: Issue, caller: Caller): AuditEvent {
    const last = lastGiven.get(caller);
    const hasEnded = caller.witness?.hasEnded() === true;
    if (last?.issue === issue && (last.event.peer?.exited === true) === hasEnded) return last.event;
    const common = eventOf(live, caller);
    const { accessKeyId } = issue.credentials;
    const event = { ...common, kind: "vend", outcome: "ok", accessKeyId, expiresAt: issue.expiresAt } as const;
    lastGiven.set(caller, { issue, event });
    return event;
  }

  async function askPerson(caller: Caller): Promise<void> {
    const peer = peerOf(caller);
    try {
      await confirm(live, questionOf(live.grant.name, peer));
      record({ ...eventOf(live, caller), kind: "confirm", outcome: "ok" });
    } catch (error) {
      const outcome = keyholeErrorOf(error).kind;
      tally(`confirm ${live.grant.name} ${outcome}`, () => ({ ...eventOf(live, caller), kind: "confirm", outcome }));
      throw error;
    }
  }

  function refuse(error: unknown, caller: Caller): Uint8Array {
    live.refusals += 1;
    const { kind } = keyholeErrorOf(error);
    const { name } = live.grant;
    if (error instanceof KeyholeError) {
      log("info", "grant refused", () => ({ grant: name, kind, error: error.message, ...whoIs(caller) }));
    } else {
      const stack = error instanceof Error ? error.stack : String(error);
      log("error", "grant failed", () => ({ grant: name, stack, ...whoIs(caller) }));
    }
    if (errors[kind].mend !== "nothing") live.lastError = keyholeErrorOf(error);
    tally(`vend ${name} ${kind}`, () => ({ ...eventOf(live, caller), kind: "vend", outcome: kind }));
    return refusals(kind);
  }

  return { dispatch: (frame, caller) => (isFetch(frame) ? answer(caller) : refuseJunk(caller)), refusal: refuseJunk };
}

function isFetch(frame: Frame): boolean {
  const { number } = messages.Fetch;
  return frame.message === number && frame.version === PROTOCOL_VERSION && frame.bytes.length === BODY_START;
}

/** @throws KeyholeError `forbidden` for a user of the host who is not among those that the grant names. */
function admit({ allowUids, allowGids }: Grant, { uid, gid }: Caller): void {
  if (allowUids.length === 0 && allowGids.length === 0) return;
  if (allowUids.includes(uid) || allowGids.includes(gid)) return;
  throw new KeyholeError("forbidden", `uid ${uid}, gid ${gid} may not use this grant`);
}

/** @throws KeyholeError `revoked`, `expired`, `used-up` */
function refuseEnded(grant: Grant, now: number): void {
  const state = stateOf(grant, now);
  if (state !== "active") throw new KeyholeError(state, `grant ${grant.name} is ${state}`);
}

function eventOf(live: LiveGrant, caller: Caller) {
  const { name, config } = live.grant;
  const { roleArn } = live;
  const sessionName = sessionNameOf(live);
  return { transport: "socket", grant: name, config, roleArn, sessionName, peer: peerOf(caller) } as const;
}

function whoIs({ pid, uid, connection }: Caller) {
  return { pid, uid, connection };
}

/**
 * The grant comes first, and what a holder chooses comes last, in quotes and not too long: it could otherwise read as a
 * question about another grant.
 */
function questionOf(grant: string, { uid, pid, executable, parent }: AuditPeer): string {
  const program = executable === undefined ? "" : `, which runs ${quote(executable)}`;
  const by = parent === undefined ? "" : `, started by ${quote(parent)}`;
  return showOnOneLine(`give the credentials of grant ${grant} to uid ${uid}, pid ${pid ?? "unknown"}${program}${by}?`);
}

function quote(program: string): string {
  const isProven = !program.startsWith(IN_SANDBOX);
  const path = isProven ? program : program.slice(IN_SANDBOX.length);
  return `${isProven ? "" : IN_SANDBOX}${JSON.stringify(cut(path))}`;
}

/** Characters of a path that a person is asked about: its end says more than its beginning. */
const LONGEST_PATH = 100;

function cut(path: string): string {
  return path.length > LONGEST_PATH ? `…${path.slice(-LONGEST_PATH)}` : path;
}

/** The kind that a holder is told. */
export function kindOnSocket(kind: ErrorName): ErrorName {
  return errors[kind].holder === undefined ? "internal" : kind;
}

/** The error reply of each kind for one grant, made once, so that it is the same bytes every time. */
export function createRefusals(grant: string): (kind: ErrorName) => Uint8Array {
  const frames = new Map<ErrorName, Uint8Array>();
  return (kind) => {
    const told = kindOnSocket(kind);
    const frame = frames.get(told) ?? encodeError(refusalOf(told, grant));
    frames.set(told, frame);
    return frame;
  };
}

/** The holder knows the grant's name: it stands in every answer. */
export function refusalOf(kind: ErrorName, grant: string): KeyholeError {
  const { holder, passes } = errors[kind];
  if (holder === undefined) return refusalOf("internal", grant);
  const waits = passes === "at-once" || passes === "soon";
  const hint = waits ? "try again in a few seconds" : `ask the owner of this grant: keyhole grant show ${grant}`;
  return new KeyholeError(kind, holder, hint);
}
