// One issue of credentials: what STS gave, ready to vend, and its end.
import { type Credentials, formatProcessLine } from "../../credentials.ts";
import { KeyholeError } from "../../errors.ts";
import type { AssumedRole } from "../../sources/source.ts";
import { DEFAULT_DURATION } from "./bound.ts";
import type { Clock, Timer } from "../../clock.ts";
import { FLOOR, type Lifespan, renewalPoint } from "./refresh.ts";
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
  /** The finished answer to a vend, once there is one (answer.ts); zeroed with the line. */
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
    // On AWS's clock, like every time here; the credentials say it on the clock of whoever gave them.
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
