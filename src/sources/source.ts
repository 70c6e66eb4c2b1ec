// The seam between sessions, which know when, and AWS, which says what. Types only.
import type { Config } from "../config/config.ts";
import type { Credentials } from "../credentials.ts";
import type { Surroundings } from "../surroundings.ts";

/**
 * The requester's variables that select its source credentials: AWS_*, PATH, HOME. Held in
 * memory with the session, sent over the control socket alone, never logged.
 */
export type SourceEnvironment = Readonly<Record<string, string>>;

/**
 * Makes a call towards STS when it is its turn: only so many are made at once to each `endpoint` (a region or a URL), so
 * that one that hangs delays no other. A call that waits for anything else, such as
 * source credentials, waits outside, because what it waits for may need a turn of its own.
 */
export type Turn = <Result>(endpoint: string, call: () => Promise<Result>) => Promise<Result>;

/** Which role, and on whose behalf. */
export interface RoleRequest {
  readonly name: string;
  readonly config: Config;
  readonly environment: SourceEnvironment;
  /** Aborted when the answer is no longer needed (the daemon ends, the session was removed). */
  readonly signal: AbortSignal;
}

export interface AssumeRequest extends RoleRequest {
  /** For helpers; undefined where the requester has sent none, or there is no requester. */
  readonly surroundings: Surroundings | undefined;
  /** Whether the client is to be asked for them, with `surroundings-wanted`, before a helper is run. */
  readonly asksSurroundings: boolean;
  /** What comes of it is given to every requester: none whose files alone say how STS is reached may decide that. */
  readonly isForAll: boolean;
  readonly turn: Turn;
  /** The end of a grant, which what it is given must not outlive; the config's duration is short enough at this moment. */
  readonly bound: Bound | undefined;
}

/** The credentials are shown to the STS that is asked. */
export type IdentityRequest = RoleRequest & Pick<AssumeRequest, "isForAll">;

export interface Bound {
  /** Milliseconds since the epoch, on AWS's clock. */
  readonly until: number;
  /** Seconds that a session may last which is asked for now. @throws KeyholeError `expired` where STS issues none that short */
  readonly left: () => number;
}

/**
 * `aws`: AWS's clock, or that of an STS that stands for AWS's. `doubtful`: the same, but it is more than a day from this
 * machine's and from every other that was asked. `foreign`: that of some other STS (`endpoint_url`), which tells nothing
 * of the clock by which all other credentials expire.
 */
export type ClockStanding = "aws" | "doubtful" | "foreign";

/** The shared config files that a source was read from, and what they said. */
export interface ReadFiles {
  readonly paths: readonly string[];
  /** Changes when one of them does; of before they were read. */
  readonly stamp: string;
  /** Changes when they say anything else of the profiles that count. */
  readonly digest: string;
}

/** What STS gave. */
export interface AssumedRole {
  /** With session token and expiry, always. */
  readonly credentials: Credentials;
  /** `AROA…:session-name`, the value of `aws:userid`; empty where the STS (Ceph RGW) tells none. */
  readonly assumedRoleId: string;
  readonly arn: string;
  /** How much of what STS lets policies and tags take is taken, in percent; absent where there are none. */
  readonly packedPolicySize?: number | undefined;
  /** The region that the config or its profile names. */
  readonly region: string | undefined;
  /** What the source credentials were, in words without secrets: `profile dev`, `environment`, `config`. */
  readonly sourceDescription: string;
  /** AWS's clock minus this machine's, in milliseconds, from the response's Date header (whole seconds). */
  readonly clockSkew: number | undefined;
  /** Whose clock that is, and whether it can be believed. */
  readonly clock: ClockStanding;
  /** Things worth knowing in `status`, such as a duration that was reduced. */
  readonly notes: readonly string[];
  /** Why a sandbox may not have them, as a verb and more; undefined where it may. */
  readonly ungrantable: string | undefined;
  readonly files: ReadFiles;
}

export interface SaidWay {
  /** That the config or its profile names. */
  readonly region: string | undefined;
  /** Of the requester alone, where they say how STS is reached (sts/target.ts); undefined where they do not. */
  readonly ownFiles: string | undefined;
}

/** What GetCallerIdentity says. */
export interface CallerIdentity {
  readonly userId: string;
  readonly account: string;
  readonly arn: string;
}

/** Where credentials come from. The daemon's is STS; tests script one. */
export interface CredentialSource {
  /**
   * One AssumeRole, with its own deadlines and retries; each call to STS is made in a turn of its own.
   *
   * @throws KeyholeError and nothing else: `aws-refused`, `person-needed`, `no-source-credentials`,
   *   `credential-loop`, `invalid-config` (AWS's answer would be the same again), `throttled`, `network`, `timeout` (it may not).
   */
  assume(request: AssumeRequest): Promise<AssumedRole>;

  /** What the config and the requester's files say of the way to AWS, which is not asked. Throws as `assume` does. */
  wayOf(request: RoleRequest): Promise<SaidWay>;

  /**
   * Changes when the files do that source credentials come from, a sign-in's included; undefined where that is not known.
   * Never rejects.
   */
  stamp(environment: SourceEnvironment): Promise<string | undefined>;

  /** The stamp that these files have now; undefined where that is not known. Never rejects. */
  stampOf(files: ReadFiles): Promise<string | undefined>;

  /** What the files say now; no server is asked, and no helper is run. Throws as `assume` does. */
  reread(request: RoleRequest): Promise<ReadFiles>;

  /** GetCallerIdentity with credentials that `assume` gave. Throws as `assume` does. */
  identify(request: IdentityRequest, credentials: Credentials): Promise<CallerIdentity>;
}
