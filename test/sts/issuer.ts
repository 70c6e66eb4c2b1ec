// Keys: the long-term pair that the server is born with, and every temporary one that it issued.
import { randomBytes } from "node:crypto";

const ACCOUNT_ID = "111122223333";

export interface Key {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Absent in the long-term pair. */
  readonly sessionToken?: string | undefined;
  /** Whose it is, as GetCallerIdentity tells it. */
  readonly arn: string;
  readonly userId: string;
  readonly accountId: string;
  /** Milliseconds since the epoch on the server's clock; expiry in whole seconds, as AWS's is. */
  readonly issuedAt: number;
  readonly expiresAt?: number | undefined;
  /** The role, if these are a role's credentials: assuming a role with them is role chaining. */
  readonly roleArn?: string | undefined;
  /** Whether MFA stands behind it. */
  readonly mfa: boolean;
  readonly sourceIdentity?: string | undefined;
  /** Tags that sessions made from this one inherit. */
  readonly transitiveTags: ReadonlyMap<string, string>;
  /** What was asked for, for tests that look at a session. */
  readonly tags: ReadonlyMap<string, string>;
  readonly policy?: string | undefined;
  readonly policyArns: readonly string[];
}

/** What distinguishes one temporary key from another; the rest is made here. */
export type Grant = Pick<Key, "arn" | "userId" | "accountId"> & Partial<Key> & { readonly lifetimeSeconds: number };

export interface Issuer {
  /** The user's long-term pair. */
  readonly root: Key;
  /** By access key id. A test that deletes one has it refused with InvalidClientTokenId. */
  readonly keys: Map<string, Key>;
  issue(grant: Grant, now: number): Key & { readonly sessionToken: string; readonly expiresAt: number };
  /** The `AROA…` of a role, the same for as long as the server lives. */
  roleId(roleArn: string): string;
}

export function createIssuer(now: number): Issuer {
  const root: Key = {
    accessKeyId: randomId("AKIA", 20),
    secretAccessKey: randomSecret(),
    arn: `arn:aws:iam::${ACCOUNT_ID}:user/developer`,
    userId: randomId("AIDA", 21),
    accountId: ACCOUNT_ID,
    issuedAt: now,
    mfa: false,
    transitiveTags: new Map(),
    tags: new Map(),
    policyArns: [],
  };
  const keys = new Map([[root.accessKeyId, root]]);
  const roleIds = new Map<string, string>();
  return {
    root,
    keys,
    issue: ({ lifetimeSeconds, ...grant }, issuedAt) => {
      const key = {
        mfa: false,
        transitiveTags: NO_TAGS,
        tags: NO_TAGS,
        policyArns: [],
        ...grant,
        accessKeyId: randomId("ASIA", 20),
        secretAccessKey: randomSecret(),
        sessionToken: randomToken(),
        issuedAt,
        expiresAt: (Math.floor(issuedAt / 1000) + lifetimeSeconds) * 1000,
      };
      keys.set(key.accessKeyId, key);
      return key;
    },
    roleId: (roleArn) => {
      const known = roleIds.get(roleArn);
      if (known !== undefined) return known;
      const made = randomId("AROA", 21);
      roleIds.set(roleArn, made);
      return made;
    },
  };
}

const NO_TAGS: ReadonlyMap<string, string> = new Map();

/** The alphabet of AWS's identifiers is base 32's; 32 letters divide a byte's 256 values evenly. */
const ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function randomId(prefix: string, length: number): string {
  let id = prefix;
  for (const byte of randomBytes(length - prefix.length)) id += ID_LETTERS[byte % ID_LETTERS.length];
  return id;
}

/** 40 characters of base 64, with its `+` and `/`, which a quoting mistake trips over. */
function randomSecret(): string {
  return randomBytes(30).toString("base64");
}

/** As long as AWS's were when measured, about 1,000 characters, with `+`, `/` and `=`. */
function randomToken(): string {
  return `IQoJb3JpZ2luX2Vj${randomBytes(736).toString("base64")}`;
}
