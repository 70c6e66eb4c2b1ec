// Credentials → what `export` prints: one table. A new format is an entry.
import { definedVariables } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { quoteDotenv, quoteFish, quotePosix, quotePowershell, quoteWindowsCmd } from "../../text/quoting.ts";

/** The daemon's `credential_process` line as values, and the variables that name a region. */
interface VendedCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
  /** `YYYY-MM-DDTHH:MM:SSZ`. */
  readonly expiration: string | undefined;
  readonly accountId: string | undefined;
  readonly region: Readonly<Record<string, string>>;
}

/** Credentials → text without its last newline. */
type Format = (credentials: VendedCredentials) => string;

/** By what `--format` takes. */
export const formats = {
  /** elhaz's keys. */
  json: (credentials) =>
    JSON.stringify(
      {
        access_key: credentials.accessKeyId,
        secret_key: credentials.secretAccessKey,
        token: credentials.sessionToken,
        expiry_time: credentials.expiration,
      },
      undefined,
      2,
    ),
  env: eachVariable((name, value) => `export ${name}=${quotePosix(value)}`),
  /** Only with --obscure: otherwise `export` passes the daemon's bytes on. */
  "credential-process": (credentials) => JSON.stringify(processDocument(credentials)),
  fish: eachVariable((name, value) => `set -gx ${name} ${quoteFish(value)}`),
  powershell: eachVariable((name, value) => `$env:${name} = ${quotePowershell(value)}`),
  "windows-cmd": eachVariable((name, value) => `set "${name}=${quoteWindowsCmd(value)}"`),
  /** A record, for `keyhole export -f nushell -n NAME | from json | load-env`: nushell cannot evaluate a text. */
  nushell: (credentials) => JSON.stringify(variablesOf(credentials)),
  dotenv: eachVariable((name, value) => `${name}=${quoteDotenv(value)}`),
  /** The shape of an STS response, which Claude Code's awsCredentialExport and Codex accept. */
  sts: ({ accessKeyId, secretAccessKey, sessionToken, expiration }) =>
    JSON.stringify({
      Credentials: {
        AccessKeyId: accessKeyId,
        SecretAccessKey: secretAccessKey,
        SessionToken: sessionToken,
        Expiration: expiration,
      },
    }),
} as const satisfies Record<string, Format>;

type FormatName = keyof typeof formats;

/** In the order of the table. */
export const formatNames = Object.keys(formats) as FormatName[];

/**
 * The environment that carries credentials. The expiration is among it for people and for tools that look at it;
 * botocore fails once it has passed, as it would anyway, with a better message.
 */
export function variablesOf(credentials: VendedCredentials): Record<string, string> {
  return definedVariables({
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SESSION_TOKEN: credentials.sessionToken,
    AWS_CREDENTIAL_EXPIRATION: credentials.expiration,
    ...credentials.region,
  });
}

/** elhaz's mark for what it does not show. */
export const HIDDEN = "***";

/** The same credentials with nothing to tell; expiry and region stay. */
export function obscure(credentials: VendedCredentials): VendedCredentials {
  return {
    ...credentials,
    accessKeyId: HIDDEN,
    secretAccessKey: HIDDEN,
    sessionToken: credentials.sessionToken && HIDDEN,
    accountId: credentials.accountId && HIDDEN,
  };
}

/** @throws KeyholeError `internal` if the line is not a `credential_process` answer. */
export function parseProcessLine(line: Uint8Array, region: VendedCredentials["region"] = {}): VendedCredentials {
  let document: Readonly<Record<string, unknown>>;
  try {
    document = { ...(JSON.parse(new TextDecoder().decode(line)) as object | null) };
  } catch {
    // The parser's message would repeat a piece of the line.
    throw malformed();
  }
  const text = (name: string): string | undefined => {
    const value = document[name];
    if (value === undefined) return undefined;
    // An environment ends a value at a NUL, and what a line is printed for may obey other controls.
    if (typeof value !== "string" || /\p{Cc}/u.test(value)) throw malformed();
    return value;
  };
  const accessKeyId = text("AccessKeyId");
  const secretAccessKey = text("SecretAccessKey");
  if (accessKeyId === undefined || secretAccessKey === undefined) throw malformed();
  return {
    accessKeyId,
    secretAccessKey,
    sessionToken: text("SessionToken"),
    expiration: text("Expiration"),
    accountId: text("AccountId"),
    region,
  };
}

function malformed(): KeyholeError {
  return new KeyholeError("internal", "the daemon's answer holds no credentials", "keyhole daemon restart");
}

function processDocument(credentials: VendedCredentials): Record<string, unknown> {
  return {
    Version: 1,
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    SessionToken: credentials.sessionToken,
    Expiration: credentials.expiration,
    AccountId: credentials.accountId,
  };
}

function eachVariable(line: (name: string, value: string) => string): Format {
  return (credentials) =>
    Object.entries(variablesOf(credentials))
      .map(([name, value]) => line(name, value))
      .join("\n");
}
