// The grants that a daemon serves: what it knows of each beside its definition, and what it says of it in the audit, in
// `grant list` and in `grant show`. Who changes one: grants.ts and the parts it names.
import type { RecordAudit } from "../../audit/line.ts";
import type { ConfigReader } from "../../config/config.ts";
import { hasTrait } from "../../environment.ts";
import type { KeyholeError } from "../../errors.ts";
import { configNameOf, type Grant, roleSessionOf, stateOf, termsOf } from "../../grants/grant.ts";
import type { Caller } from "../../server/dispatch.ts";
import type { Listener } from "../../server/listener.ts";
import { peerOf } from "../../server/peers.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import { cut } from "../../text/controls.ts";
import type { GrantInfo, ResponseOf, SessionInfo } from "../../wire/messages.ts";
import type { Mount } from "../mounts/mount.ts";
import type { Issue } from "../sessions/issue.ts";
import { endpointOf, foreignEndpoint } from "../sessions/selection.ts";
import type { Askpass } from "./confirmation.ts";
import type { Lease } from "./delivery.ts";
import type { RateLimiter } from "../../server/ratelimiter.ts";
import type { Signing } from "./signing.ts";
import type { FindGrant } from "./grant-sessions.ts";

/** What is out: enough to find it in CloudTrail, and no secret. */
export interface Outstanding {
  readonly accessKeyId: string;
  readonly expiresAt: number;
  readonly packedPolicySize: number | undefined;
}

export interface LiveGrant {
  /** As it is in force, with the uses so far; replaced, never changed. */
  grant: Grant;
  /** Its end on the monotonic clock; Infinity for a grant without one. */
  endsBy: number;
  /** Grows when the definition changes in more than its uses. */
  version: number;
  /** Of the definition's file as it was read or written last; undefined where it could not be written. */
  revision: string | undefined;
  /** Of the owner who made the grant, keys included: for as long as this daemon lives. */
  readonly environment: SourceEnvironment | undefined;
  /** The program that asks a person of theirs; a restart of the daemon forgets it. */
  readonly askpass: Askpass | undefined;
  readonly mount: Mount;
  /** Of a grant that is delivered over a socket. */
  listener: Listener | undefined;
  /** Undefined for a grant that gives credentials. */
  signing: Signing | undefined;
  /** Undefined for a grant that is delivered over a socket. */
  readonly lease: Lease | undefined;
  /** What the lease says: an access key id, or the kind of an error. Undefined: what a daemon before this one wrote. */
  leased: string | undefined;
  /** It could not be replaced, and is to be. */
  isLeaseStale: boolean;
  limiter: RateLimiter;
  /** The config's, as it was read or used last; of a grant that hands an identity on, that one's ARN. */
  roleArn: string | undefined;
  outstanding: Outstanding | undefined;
  refusals: number;
  /** For the owner who made the grant: AWS's own words may be in it. */
  lastError: KeyholeError | undefined;
  /** Its end was seen and acted upon. */
  hasExpired: boolean;
  /** The last that is put into its directory. */
  equipping: Promise<void>;
  /** Its texts have the region of its config, which may stand in files that do not answer. */
  isDescribed: boolean;
}

export function outstandingOf({ credentials, expiresAt, packedPolicySize }: Issue): Outstanding {
  return { accessKeyId: credentials.accessKeyId, expiresAt, packedPolicySize };
}

export interface LiveGrants {
  readonly lives: Map<string, LiveGrant>;
  /** Being made or opened; listed nowhere yet. One that is being made begins when it is there: its end moves meanwhile. */
  readonly pending: Map<string, () => Grant>;
  readonly find: FindGrant;
  listeners(): Listener[];
}

export function createLiveGrants(): LiveGrants {
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
  const { name, config, endsAt } = grant;
  record({
    kind,
    transport: caller === undefined ? "daemon" : "control",
    outcome: "ok",
    grant: name,
    config,
    roleArn,
    sessionName: sessionNameOf({ grant, roleArn }),
    accessKeyId: outstanding?.accessKeyId,
    // Of the grant where it begins, later of the credentials that are still out.
    expiresAt: kind === "grant" ? endsAt : outstanding?.expiresAt,
    peer: caller && peerOf(caller),
    note,
  });
}

/**
 * @param session of the grant, if it has one just now
 * @param now milliseconds since the epoch, on AWS's clock
 */
export function grantInfoOf(live: LiveGrant, session: SessionInfo | undefined, now: number): GrantInfo {
  const { grant, outstanding } = live;
  const lastError = session?.lastError ?? live.lastError?.message;
  return {
    ...termsOf(grant),
    state: stateOf(grant, now),
    directory: live.mount.path,
    createdAt: grant.createdAt,
    endsAt: grant.endsAt,
    revokedAt: grant.revokedAt,
    roleArn: session?.roleArn || live.roleArn,
    accessKeyId: outstanding?.accessKeyId,
    expiresAt: outstanding && Math.max(0, Math.floor(outstanding.expiresAt)),
    renewAt: session?.renewAt,
    packedPolicySize: outstanding?.packedPolicySize,
    sessionName: sessionNameOf(live) ?? "",
    uses: grant.uses,
    refusals: live.refusals,
    connections: (live.listener?.connections ?? 0) + (live.signing?.connections ?? 0),
    lastError: lastError && cut(lastError),
    notes: [...(session?.notes ?? []), ...notesOf(live)],
    executableBytes: live.mount.executableBytes(),
    signed: live.signing?.counts() ?? [],
  };
}

/** As CloudTrail has it; of a grant that hands a user on there is none. */
export function sessionNameOf({ grant, roleArn }: Pick<LiveGrant, "grant" | "roleArn">): string | undefined {
  if (grant.identity === undefined) return grant.sessionName;
  return roleSessionOf(roleArn ?? grant.identity)?.session;
}

/** The keys that a restart forgets. */
export function describeKeys({ keyId }: Pick<Grant, "keyId">): string {
  return keyId === undefined ? "keys in an environment" : `keys in an environment (${keyId})`;
}

function notesOf({ grant, environment, revision, roleArn }: LiveGrant): string[] {
  const notes: string[] = [];
  if (grant.identity !== undefined)
    notes.push(`it hands ${roleArn ?? grant.identity} on as it is: CloudTrail cannot tell the sandbox from you`);
  if (grant.hadKeys && environment === undefined)
    notes.push(`its source credentials were ${describeKeys(grant)}, which are forgotten when the daemon ends`);
  if (grant.runner !== undefined) notes.push(`it ends with the keyhole run of pid ${grant.runner.pid}`);
  const endpoint = foreignEndpoint(grant.environment);
  if (endpoint !== undefined) notes.push(`it asks STS at ${endpoint}, which is not AWS's`);
  if (revision === undefined)
    notes.push("its definition could not be written: what was decided last ends with the daemon");
  return notes;
}

/** What a grant was made with, of what is kept. */
export function sourceOf(
  grant: Grant,
  { configs, configDir }: { readonly configs: ConfigReader; readonly configDir: string },
): ResponseOf<"GrantSource"> {
  const { environment, keyId } = grant;
  const variables = { ...environment, ...(keyId !== undefined && { AWS_ACCESS_KEY_ID: keyId }) };
  return {
    directory: grant.configDir ?? configDir,
    environment: Object.entries(variables)
      .filter(([name]) => hasTrait(name, "source"))
      .map(([name, value]) => ({ name, value })),
    endpoint: endpointOfGrant(grant, configs),
  };
}

function endpointOfGrant(grant: Grant, configs: ConfigReader): string | undefined {
  try {
    return endpointOf(configs.read(configNameOf(grant)).config, grant.environment);
  } catch {
    return undefined;
  }
}
