// One issue of credentials: what STS gave, ready to vend; the answers that carry it, finished once, so that a warm one is
// a lookup and a write; and its end. Times are milliseconds on AWS's clock.
import {
  type Config,
  DEFAULT_DURATION,
  DEFAULT_TOKEN_DURATION,
  SHORTEST_DURATION,
  type StoredConfig,
} from "../../config/config.ts";
import { type Credentials, formatExpiration, formatProcessLine } from "../../credentials.ts";
import { regionOf } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import type { Grant } from "../../grants/grant.ts";
import type { AssumedRole, ReadFiles } from "../../sources/source.ts";
import type { Clock, Timer } from "../../clock.ts";
import { FLOOR, type Lifespan, renewalPoint } from "./refresh.ts";
import { encode } from "../../wire/codec.ts";
import { encodeFrame } from "../../wire/frame.ts";
import { messages, type ResponseOf } from "../../wire/messages.ts";
import type { Time } from "./time.ts";

export interface Issue extends Lifespan {
  /** The config's name. */
  readonly config: string;
  readonly credentials: Credentials;
  /**
   * The finished `credential_process` answer. Zeroed some time after the issue was replaced or dropped, never in the
   * synchronous turn (nor the microtasks) in which a vend gave it out: copy or write it before waiting for anything.
   */
  readonly line: Uint8Array;
  /** The finished answer to a vend, once there is one; zeroed with the line. */
  answer: Uint8Array | undefined;
  /** The region that the config or its profile names, for AWS_REGION. */
  readonly region: string | undefined;
  /** When the answer arrived, on AWS's clock, in milliseconds since the epoch. */
  readonly issuedAt: number;
  /** The remaining life, in milliseconds, at which renewal starts. */
  readonly renewsAt: number;
  /** Of the role that was assumed, as the config had it. */
  readonly roleArn: string;
  /** Of the session: `arn:aws:sts::…:assumed-role/ROLE/SESSION`. */
  readonly arn: string;
  /** `AROA…:session-name`. */
  readonly assumedRoleId: string;
  /** In percent; absent where there are neither policies nor tags. */
  readonly packedPolicySize: number | undefined;
  /** What the source credentials were, in words. */
  readonly source: string;
  readonly notes: readonly string[];
  /** Why others than their owner may not have them: see `AssumedRole`. */
  readonly ungrantable: string | undefined;
  readonly files: ReadFiles;
}

/**
 * What STS gave, at the moment it arrives (`time` was read just now and knows the answer's skew).
 *
 * @throws KeyholeError `too-short` where it could never be vended.
 */
export function issueOf(
  config: { readonly name: string; readonly roleArn: string; readonly durationSeconds: number | undefined },
  assumed: AssumedRole,
  time: Time,
  random: number,
): Issue {
  const { credentials } = assumed;
  const { expiresAt } = credentials;
  if (expiresAt === undefined) throw new KeyholeError("internal", "AWS gave credentials without an expiry");
  // Bounds the lifetime where an answer without a date leaves only our clock.
  const asked = (config.durationSeconds ?? DEFAULT_DURATION) * 1000;
  const { clockSkew, clock } = assumed;
  const now = clock === "foreign" && clockSkew !== undefined ? time.local + clockSkew : time.wall;
  const measured = expiresAt - now;
  const lifetime = clockSkew === undefined ? Math.min(measured, asked) : measured;
  if (lifetime <= FLOOR) {
    const seconds = Math.floor(lifetime / 1000);
    throw new KeyholeError("too-short", `AWS gave credentials that last ${seconds} s, too short to hand out`);
  }
  return {
    config: config.name,
    credentials,
    line: formatProcessLine(credentials),
    answer: undefined,
    region: assumed.region,
    issuedAt: time.wall,
    // On AWS's clock, like every time here; the credentials say it on the clock of the STS that gave them.
    expiresAt: time.wall + measured,
    lifetime,
    arrivedAt: time.monotonic,
    renewsAt: renewalPoint(lifetime, random),
    roleArn: config.roleArn,
    arn: assumed.arn,
    assumedRoleId: assumed.assumedRoleId,
    packedPolicySize: assumed.packedPolicySize,
    source: assumed.sourceDescription,
    notes: assumed.notes,
    ungrantable: assumed.ungrantable,
    files: assumed.files,
  };
}

/** Milliseconds; longer than any turn of the event loop, so that callers who were given a line have copied it. */
const WIPE_AFTER = 1_000;

/**
 * Zeroes the lines of dropped issues. Timers run after the microtasks of the turn that armed them, so a caller who
 * was handed the issue, at once or by a promise, has run before. The strings inside `credentials` cannot be zeroed;
 * they go with the garbage.
 */
export class Wiper {
  readonly #clock: Clock;
  #dropped: Issue[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  drop(issue: Issue | undefined): void {
    if (issue === undefined) return;
    this.#dropped.push(issue);
    this.#timer ??= this.#clock.after(WIPE_AFTER, () => this.wipe());
  }

  /** At once. */
  wipe(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const { line, answer } of this.#dropped) {
      line.fill(0);
      answer?.fill(0);
    }
    this.#dropped = [];
  }
}

/** Seconds for the way to STS, whose clock starts when the call arrives. */
const MARGIN = 10;

/**
 * The config with a duration that ends in time.
 *
 * @throws KeyholeError `expired` where STS issues nothing that short.
 */
export function boundConfig({ config, until }: Pick<StoredConfig, "config" | "until">, now: number): Config {
  const { AssumeRole, GetSessionToken } = config;
  if (until === undefined || (AssumeRole === undefined && GetSessionToken === undefined)) return config;
  const left = secondsLeft(until, now);
  return {
    ...config,
    AssumeRole: AssumeRole && shorten(AssumeRole, DEFAULT_DURATION, left),
    GetSessionToken: GetSessionToken && shorten(GetSessionToken, DEFAULT_TOKEN_DURATION, left),
  };
}

/** @throws KeyholeError `expired` where STS issues nothing that short. */
export function secondsLeft(until: number, now: number): number {
  const left = Math.floor((until - now) / 1000) - MARGIN;
  if (left < SHORTEST_DURATION) throw expired();
  return left;
}

function shorten<Section extends { readonly DurationSeconds?: number | undefined }>(
  section: Section,
  byDefault: number,
  left: number,
): Section {
  return (section.DurationSeconds ?? byDefault) <= left ? section : { ...section, DurationSeconds: left };
}

/** @throws KeyholeError `expired`, `invalid-grant` for credentials that outlive the end, however that came: they are thrown away. */
export function refuseOverrun({ config, until }: Pick<StoredConfig, "config" | "until">, expiresAt: number): void {
  if (until === undefined || expiresAt <= until) return;
  if (config.AssumeRole !== undefined || config.GetSessionToken !== undefined) throw expired();
  throw new KeyholeError(
    "invalid-grant",
    `what the grant hands on is good until ${formatExpiration(expiresAt)}, and cannot be made to end with the grant`,
    "leave --ttl out, or make it longer: keyhole grant revoke ends a grant at any time",
  );
}

function expired(): KeyholeError {
  return new KeyholeError("expired", "too little is left for another session: STS issues none under 15 minutes");
}

/**
 * The answer to Vend. For how long its bytes may be read: see `Issue.line`.
 *
 * @param config what the session was asked for by; always the same for a session
 */
export function answerVend(issue: Issue, config = issue.config): Uint8Array {
  const { region, line } = issue;
  issue.answer ??= finish("Vend", { config, region, line });
  return issue.answer;
}

/** The answer to Fetch on the socket of a grant whose session the issue is of. As `answerVend`. */
export function answerFetch(
  issue: Issue,
  { name, config, environment }: Pick<Grant, "name" | "config" | "environment">,
) {
  const { region = regionOf(environment), line } = issue;
  issue.answer ??= finish("Fetch", { grant: name, config, region, line });
  return issue.answer;
}

function finish<Name extends "Vend" | "Fetch">(name: Name, answer: ResponseOf<Name>): Uint8Array {
  const { number, response } = messages[name];
  // The table ties each name to its types; here, where either may come, only `any` spans them.
  const body = encode<any>(response, answer);
  const frame = encodeFrame(number, body);
  body.fill(0);
  return frame;
}
