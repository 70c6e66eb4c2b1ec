// The noun that every part of keyhole shares: one set of AWS credentials. Imports nothing.

/** What a set of credentials consists of, in AWS's own field names (lower camel case). */
export interface CredentialFields {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Absent only in long-term keys, which serve as source credentials and are never vended. */
  readonly sessionToken?: string | undefined;
  /** Milliseconds since the epoch, on AWS's clock; absent in long-term keys. */
  readonly expiresAt?: number | undefined;
  /** Twelve digits, where known. */
  readonly accountId?: string | undefined;
}

/**
 * Credentials that redact themselves: whatever prints, inspects or serialises one sees the access key id and the
 * expiry, never a secret. Read the fields by name to get at them.
 */
export class Credentials implements CredentialFields {
  readonly accessKeyId: string;
  readonly expiresAt: number | undefined;
  readonly accountId: string | undefined;
  readonly #secretAccessKey: string;
  readonly #sessionToken: string | undefined;

  constructor(fields: CredentialFields) {
    this.accessKeyId = fields.accessKeyId;
    this.expiresAt = fields.expiresAt;
    this.accountId = fields.accountId;
    this.#secretAccessKey = fields.secretAccessKey;
    this.#sessionToken = fields.sessionToken;
  }

  get secretAccessKey(): string {
    return this.#secretAccessKey;
  }

  get sessionToken(): string | undefined {
    return this.#sessionToken;
  }

  toJSON(): Record<string, string> {
    const expiration = this.expiresAt === undefined ? "never" : formatExpiration(this.expiresAt);
    return { accessKeyId: this.accessKeyId, secretAccessKey: "***", expiration };
  }

  toString(): string {
    return `Credentials(${this.accessKeyId})`;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** `YYYY-MM-DDTHH:MM:SSZ`, the one form that every SDK parses (src/DESIGN.md#delivery). Fractions are cut, never rounded up. */
export function formatExpiration(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

/**
 * The answer of a `credential_process`: one line of JSON with a newline, as bytes that can be sent as they are.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
 */
export function formatProcessLine(credentials: CredentialFields): Uint8Array {
  const document = {
    Version: 1,
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    SessionToken: credentials.sessionToken,
    Expiration: credentials.expiresAt === undefined ? undefined : formatExpiration(credentials.expiresAt),
    AccountId: credentials.accountId,
  };
  return new TextEncoder().encode(`${JSON.stringify(document)}\n`);
}
