// What the daemon knows about one grant beside its definition. Who changes it: registry.ts and the parts it names.
import type { KeyholeError } from "../../errors.ts";
import type { Grant } from "../../grants/grant.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import type { Issue } from "../sessions/issue.ts";
import type { Listener } from "../../server/listener.ts";
import type { Lease } from "../mounts/lease.ts";
import type { Mount } from "../mounts/mount.ts";
import type { Askpass } from "./confirmer.ts";
import type { Pacer } from "./pacer.ts";

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
  /** Of whoever made the grant, keys included: for as long as this daemon lives. */
  readonly environment: SourceEnvironment | undefined;
  /** The program that asks a person of theirs; a restart of the daemon forgets it. */
  readonly askpass: Askpass | undefined;
  readonly mount: Mount;
  /** Undefined for a grant that is delivered as a file. */
  listener: Listener | undefined;
  /** Undefined for a grant that is delivered over a socket. */
  readonly lease: Lease | undefined;
  /** What the lease says: an access key id, or the kind of an error. Undefined: what a daemon before this one wrote. */
  leased: string | undefined;
  /** It could not be replaced, and is to be. */
  isLeaseStale: boolean;
  pacer: Pacer;
  /** The config's, as it was read or used last. */
  roleArn: string | undefined;
  outstanding: Outstanding | undefined;
  refusals: number;
  /** For whoever made the grant: AWS's own words may be in it. */
  lastError: KeyholeError | undefined;
  /** Its end was seen and acted upon. */
  hasExpired: boolean;
  /** Its texts have the region of its config, which may stand in files that do not answer. */
  isDescribed: boolean;
}

export function outstandingOf({ credentials, expiresAt, packedPolicySize }: Issue): Outstanding {
  return { accessKeyId: credentials.accessKeyId, expiresAt, packedPolicySize };
}
