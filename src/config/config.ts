// What a config file says: elhaz's schema with AWS's own parameter names, strict, with those checks of STS's that can be
// made before asking it. Every message here is a constant: valibot's own ones repeat the value, which may be a secret.
import * as v from "valibot";
import { isMapping } from "./mapping.ts";
import { isConfigName } from "./name.ts";

/** https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html has every limit below. */
export const LONGEST_DURATION = 43_200;
const LONGEST_TOKEN_DURATION = 129_600;
/** Seconds that a role assumed by a role lives at most. */
export const LONGEST_CHAINED = 3_600;
/** Seconds that AssumeRole gives where no duration is asked for; and GetSessionToken. */
export const DEFAULT_DURATION = 3_600;
export const DEFAULT_TOKEN_DURATION = 43_200;
/** Seconds: STS issues no shorter session. */
export const SHORTEST_DURATION = 900;
const LONGEST_ARN = 2048;
/** Characters of `Policy` and `PolicyArns` together; what AWS packs from them is known to AWS alone. */
export const POLICY_LIMIT = 2048;
export const MOST_POLICIES = 10;
export const MOST_TAGS = 50;
const MOST_CONTEXTS = 5;

const text = v.string("must be text");
const flag = v.boolean("must be true or false");
const word = (what: string) => v.pipe(text, v.nonEmpty(`must be ${what}`));

function matching(pattern: RegExp, expected: string) {
  return v.pipe(text, v.regex(pattern, `must be ${expected}`));
}

function counted(most: number, what: string) {
  return v.pipe(
    v.number(`must be a whole number of ${what}`),
    v.integer(`must be a whole number of ${what}`),
    v.minValue(1, `must be a whole number of ${what} above 0`),
    v.maxValue(most, `must be at most ${most}`),
  );
}

function listOf<const Item extends v.GenericSchema>(item: Item, most: number) {
  return v.pipe(v.array(item, "must be a list"), v.maxLength(most, `must have at most ${most} items`));
}

/** The account is empty in Ceph RGW's role ARNs and no number in those of its accounts; AWS's has twelve digits. */
const roleArn = v.pipe(
  matching(
    /^arn:[a-z0-9-]+:iam::(?:\d{12}|[A-Za-z]\w*)?:role\/[\x21-\x7E]+$/,
    "the ARN of a role, like arn:aws:iam::123456789012:role/NAME",
  ),
  v.minLength(20, "must have at least 20 characters"),
  v.maxLength(LONGEST_ARN, `must have at most ${LONGEST_ARN} characters`),
);

const policyArn = v.pipe(
  matching(
    /^arn:[a-z0-9-]+:iam::(?:\d{12}|aws|[A-Za-z]\w*)?:policy\/[\x21-\x7E]+$/,
    "the ARN of a managed policy, like arn:aws:iam::aws:policy/ReadOnlyAccess",
  ),
  v.minLength(20, "must have at least 20 characters"),
  v.maxLength(LONGEST_ARN, `must have at most ${LONGEST_ARN} characters`),
);

const sessionName = matching(/^[\w+=,.@-]{2,64}$/, "2 to 64 letters, digits or _+=,.@-");
const accountId = matching(/^\d{12}$/, "twelve digits");
const tagText = "letters, digits, spaces or _.:/=+-@";
const tagKey = v.pipe(
  matching(/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u, `1 to 128 ${tagText}`),
  v.check((key) => !/^aws:/i.test(key), "must not begin with aws:, which AWS keeps for itself"),
);

const tags = v.pipe(
  listOf(
    v.strictObject({
      Key: tagKey,
      Value: matching(/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u, `at most 256 ${tagText}`),
    }),
    MOST_TAGS,
  ),
  v.check(
    (list) => new Set(list.map(({ Key }) => Key.toLowerCase())).size === list.length,
    "must not have two keys that differ only in capitals",
  ),
);

const policy = v.pipe(
  v.string("must be JSON as text; put it in single quotes or after `|`"),
  v.nonEmpty("must be a JSON object"),
  v.maxLength(POLICY_LIMIT, `must have at most ${POLICY_LIMIT} characters`),
  v.check(isJsonObject, "must be a JSON object"),
);

const keys = {
  aws_access_key_id: v.optional(word("an access key id")),
  aws_secret_access_key: v.optional(word("a secret access key")),
  aws_session_token: v.optional(word("a session token")),
  aws_account_id: v.optional(accountId),
};

const mfaDevice = {
  SerialNumber: v.optional(
    matching(/^[\w+=/:,.@-]{9,256}$/, "the serial number or ARN of an MFA device: 9 to 256 letters, digits or =,.@:/-"),
  ),
  TokenCode: v.optional(matching(/^\d{6}$/, "six digits")),
};

const assumeRole = v.strictObject({
  RoleArn: roleArn,
  RoleSessionName: v.optional(sessionName),
  // elhaz passed these in a shape that STS refuses.
  PolicyArns: v.optional(listOf(policyArn, MOST_POLICIES)),
  Policy: v.optional(policy),
  // STS's lower bound of 900 is left to it: other servers of its protocol allow less.
  DurationSeconds: v.optional(counted(LONGEST_DURATION, "seconds")),
  ExternalId: v.optional(matching(/^[\w+=,.@:/-]{2,1224}$/, "2 to 1224 letters, digits or _+=,.@:/-")),
  ...mfaDevice,
  Tags: v.optional(tags),
  TransitiveTagKeys: v.optional(listOf(tagKey, MOST_TAGS)),
  SourceIdentity: v.optional(sessionName),
  ProvidedContexts: v.optional(
    listOf(
      v.strictObject({
        ProviderArn: matching(/^arn:[\x21-\x7E]{16,2044}$/, "the ARN of a context provider"),
        ContextAssertion: v.pipe(
          text,
          v.minLength(4, "must have at least 4 characters"),
          v.maxLength(2048, "must have at most 2048 characters"),
        ),
      }),
      MOST_CONTEXTS,
    ),
  ),
});

/** https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html; STS gives root an hour, whatever is asked. */
const getSessionToken = v.strictObject({
  DurationSeconds: v.optional(
    v.pipe(
      counted(LONGEST_TOKEN_DURATION, "seconds"),
      v.minValue(SHORTEST_DURATION, `must be at least ${SHORTEST_DURATION}`),
    ),
  ),
  ...mfaDevice,
});

const verifyText = "must be true, false or the path of a CA bundle";
const commandText = "must be a command: text, or a list of text";

/** How STS is reached; keys here win over every other source credentials. */
const sts = v.strictObject({
  region_name: v.optional(word("a region")),
  // For elhaz's sake; STS has one version.
  api_version: v.optional(matching(/^2011-06-15$/, "2011-06-15, the only version there is")),
  use_ssl: v.optional(flag),
  // `false` trusts any certificate.
  verify: v.optional(v.union([v.boolean(), v.pipe(v.string(), v.nonEmpty(verifyText))], verifyText)),
  endpoint_url: v.optional(matching(/^https?:\/\/[^\s/]+/i, "a URL that begins with https:// or http://")),
  ...keys,
});

const command = v.union(
  [
    v.pipe(v.string(), v.regex(/\S/, commandText)),
    v.pipe(v.array(v.string(commandText)), v.check(hasProgram, commandText)),
  ],
  commandText,
);

/** Where a grant that signs sends its requests, if not to AWS's usual endpoints. */
const sign = v.strictObject({
  endpoint_url: v.optional(matching(/^https?:\/\/[^\s/]+/i, "a URL that begins with https:// or http://")),
  use_fips_endpoint: v.optional(flag),
  use_dualstack_endpoint: v.optional(flag),
});

/** The proof of AssumeRole in place of source credentials: where a token is, one of the two; read anew for each call. */
const webIdentity = v.strictObject({
  token_file: v.optional(matching(/^\//, "an absolute path")),
  command: v.optional(command),
  // Of the command; 60 if absent.
  timeout: v.optional(counted(3600, "seconds")),
});

/** A command that prints a one-time code. */
const mfa = v.strictObject({
  command,
  // 60 if absent.
  timeout: v.optional(counted(3600, "seconds")),
});

/** Which source credentials to use; empty means the default chain. */
const session = v.strictObject({
  region_name: v.optional(word("a region")),
  profile_name: v.optional(word("the name of a profile")),
  // Of a `credential_process`; 60 if absent.
  timeout: v.optional(counted(3600, "seconds")),
  ...keys,
});

/** What a config file may say. Rules that concern several keys are in check.ts. */
export const configSchema = v.strictObject({
  // Without it and GetSessionToken the credentials of `Session.profile_name` are handed out as they are.
  AssumeRole: v.optional(assumeRole),
  // In place of AssumeRole: a session of the user whose long-lived keys the source is.
  GetSessionToken: v.optional(getSessionToken),
  WebIdentity: v.optional(webIdentity),
  // Another config of the same directory, whose credentials are the source.
  Source: v.optional(v.pipe(text, v.check(isConfigName, "must be the name of a config"))),
  STS: v.optional(sts),
  MFA: v.optional(mfa),
  Session: v.optional(session),
  Sign: v.optional(sign),
  Meta: v.optional(v.strictObject({ description: v.optional(text) })),
  // keyhole's own: renew even when no client asks.
  pin: v.optional(flag),
});

/** One saved set of parameters for assuming one role, or a profile whose credentials are handed out: `configs/NAME.yaml`. */
export type Config = Immutable<v.InferOutput<typeof configSchema>> & {
  /** What `Source` names, as it was read, and what that one names, up to the last; of a file's text there are none. */
  readonly sources?: readonly Source[];
};

/** A config that is the source of another. */
export interface Source {
  readonly name: string;
  readonly config: Config;
}

export type AssumeRoleSection = NonNullable<Config["AssumeRole"]>;
export type GetSessionTokenSection = NonNullable<Config["GetSessionToken"]>;
export type WebIdentitySection = NonNullable<Config["WebIdentity"]>;
export type MfaSection = NonNullable<Config["MFA"]>;
/** Source credentials that stand in the config itself: supported, and discouraged. */
export type KeySection = Pick<NonNullable<Config["Session"]>, keyof typeof keys>;

type Immutable<Value> = Value extends object ? { readonly [Key in keyof Value]: Immutable<Value[Key]> } : Value;

/** A config as it was found in the store. */
export interface StoredConfig extends Source {
  /** Changes whenever the file does, or one of its sources'. */
  readonly revision: string;
  /** When all that is issued must have ended, in milliseconds since the epoch on AWS's clock: the end of a grant. */
  readonly until?: number | undefined;
}

/** What the daemon needs of the store. Both calls are synchronous and cheap enough to stand before an answer. */
export interface ConfigReader {
  /**
   * @throws KeyholeError `no-such-config`, `invalid-config`, `unsafe-path` if others could have written the file, `usage`
   *   for a name that is not one; never with a value out of the file.
   */
  read(name: string): StoredConfig;
  /** The revision that `read` would give, without reading; undefined where there is no such file. */
  revision(name: string): string | undefined;
}

function isJsonObject(value: string): boolean {
  try {
    return isMapping(JSON.parse(value));
  } catch {
    return false;
  }
}

function hasProgram(words: string[]): boolean {
  return Boolean(words[0]);
}
