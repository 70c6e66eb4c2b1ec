// The one table of messages: number, request, response. A row here is a message; the compiler then says what is
// missing in the daemon, and the tests what is missing in PROTOCOL.md and among the vectors. Which socket speaks which
// message is the listener's business: a grant socket answers Fetch alone, the control socket all the others.
import { type AnyCodec, boolean, bytes, list, optional, string, struct, u16, u32, u64, type ValueOf } from "./codec.ts";

/** Spoken by this build; the second byte behind a frame's length. */
export const PROTOCOL_VERSION = 1;

/** One environment variable of the requester's. */
const variable = struct({ name: string, value: string });

/** A session as `daemon list` and `status` show it. Times are milliseconds since the epoch on AWS's clock. */
const session = struct({
  config: string,
  /** Absent until the first credentials are there. */
  accessKeyId: optional(string),
  roleArn: string,
  /** What the source credentials are, in words: `profile dev`, `environment`. */
  source: string,
  issuedAt: optional(u64),
  expiresAt: optional(u64),
  /** When the next renewal is due; absent where no client asks any more. */
  renewAt: optional(u64),
  addedAt: u64,
  usedAt: u64,
  /** Renewals that failed since the last that succeeded. */
  failures: u32,
  lastError: optional(string),
  pinned: boolean,
  /** Things worth knowing: a duration that was reduced, a config file that no longer parses. */
  notes: list(string),
});

const tag = struct({ key: string, value: string });

/** A named number: the counters of `status`. */
const counter = struct({ name: string, value: u64 });

/** Requests a time: `count` in each `milliseconds`. */
const rate = struct({ count: u32, milliseconds: u32 });

/**
 * Of a grant that signs: what it allows. Patterns are `SERVICE:OPERATION` with `*`; lists that are empty limit nothing,
 * or ask nothing.
 */
const signing = struct({
  allow: list(string),
  deny: list(string),
  /** Asks a person before each of these. */
  confirm: list(string),
  regions: list(string),
  /** `SERVICE:NAME` with `*`. */
  resources: list(string),
  /** Of 127.0.0.1 in the sandbox; 0 in a request: drawn. */
  port: u16,
  /** Also serves it on 127.0.0.1 of the host. */
  listen: boolean,
});

/**
 * What a person decides about a grant. Absent means: as the config has it, or no limit. Stated here alone: the definition
 * file (grants/schema.ts), the options of `grant add` and `grant show` (cli/grants/) do not compile without each of them.
 */
export const grantTerms = {
  name: string,
  config: string,
  /** A session policy, as JSON text. */
  policy: optional(string),
  policyArns: list(string),
  tags: list(tag),
  sourceIdentity: optional(string),
  durationSeconds: optional(u32),
  /** `socket`, `file` or `sign`. */
  deliver: string,
  /** Where the sandbox sees the directory: an absolute path, or `host`. */
  mountAt: string,
  /** What lies in the directory as `keyhole`: `small`, `full` or `none`. */
  executable: string,
  /** The CPU that it is for, in Docker's words: `amd64` or `arm64`. Absent means: this machine's. */
  arch: optional(string),
  /** Host uids that may ask; empty means any. */
  allowUids: list(u32),
  allowGids: list(u32),
  rate,
  maxUses: optional(u32),
  confirm: boolean,
  /** Where `deliver` is `sign`. */
  sign: optional(signing),
} as const;

/** A grant as `grant list` and `grant show` have it. Times as in `session`. */
const grant = struct({
  ...grantTerms,
  /** `active`, `expired`, `revoked` or `used-up`. */
  state: string,
  /** The host's path of the directory that is mounted. */
  directory: string,
  createdAt: u64,
  endsAt: optional(u64),
  revokedAt: optional(u64),
  roleArn: optional(string),
  /** The role session's name, in CloudTrail and in `--print-iam`. */
  sessionName: string,
  /** Of the credentials that are out; absent until there are some. */
  accessKeyId: optional(string),
  expiresAt: optional(u64),
  renewAt: optional(u64),
  /** How much of what STS lets policies and tags take is taken, in percent. */
  packedPolicySize: optional(u32),
  uses: u32,
  refusals: u32,
  connections: u32,
  lastError: optional(string),
  notes: list(string),
  /** What was signed, by operation, and what was refused, by reason; since the daemon began. */
  signed: list(counter),
  /** What its executable takes on the disk; 0 where it shares the disk with what it was copied from. */
  executableBytes: u64,
});

/** What a session is made from. */
const addition = {
  config: string,
  /** What selects the source credentials: the requester's AWS_* variables, and PATH. */
  environment: list(variable),
  /** Call STS before answering. */
  verify: boolean,
  /** Replace credentials that are still good. */
  renew: boolean,
} as const;

/** What a grant is made from. */
const grantAddition = struct({
  directory: string,
  ...grantTerms,
  /** Seconds from now after which it vends nothing any more. */
  ttlSeconds: optional(u32),
  /** As that of Add; what of it is a secret is kept in memory alone. */
  environment: list(variable),
});

/** A code of an MFA device that something waits for. */
const wantedCode = struct({
  id: u32,
  /** The config that was the first to want it. */
  config: string,
  serial: string,
  /** The access key id of the user whose device it is. */
  keyId: string,
  wantedAt: u64,
  /** Whether a client asks a person for it. */
  isAsked: boolean,
});

const empty = struct({});

interface MessageRow {
  readonly number: number;
  readonly request: AnyCodec;
  readonly response: AnyCodec;
}

export const messages = {
  /** Is a daemon there, and which. Answered whatever else is going on. */
  Hello: {
    number: 0x01,
    request: struct({ version: string }),
    response: struct({ version: string, pid: u32 }),
  },
  /** Credentials of a session. Never adds one: `no-such-session` if there is none. */
  Vend: {
    number: 0x02,
    request: struct({ config: string }),
    response: struct({
      config: string,
      /** The region that the config or its profile names, for AWS_REGION. */
      region: optional(string),
      /** The finished `credential_process` line. */
      line: bytes,
    }),
  },
  /** Makes a session of a config. Idempotent: credentials that are there are kept unless `renew` is set. */
  Add: {
    number: 0x03,
    request: struct(addition),
    response: session,
  },
  Remove: { number: 0x04, request: struct({ config: string }), response: empty },
  /** Sessions from the least to the most recently used; where not all fit into a response, the last ones. */
  List: { number: 0x05, request: empty, response: struct({ sessions: list(session) }) },
  Status: {
    number: 0x06,
    request: empty,
    response: struct({
      version: string,
      pid: u32,
      startedAt: u64,
      socket: string,
      log: string,
      configDir: string,
      maxSessions: u32,
      connections: u32,
      residentBytes: u64,
      /** How far this machine's clock is from AWS's, in milliseconds: two fields, because a u64 has no sign. */
      clockBehindMs: u64,
      clockAheadMs: u64,
      /** Where members of a group are served, if they are. */
      sharedSocket: optional(string),
      /** Whether a socket of its own is a service manager's, which starts the daemon again when a client connects there. */
      managed: boolean,
      /** Things worth knowing of the daemon itself: a policy that cannot be used. */
      notes: list(string),
      counters: list(counter),
      sessions: list(session),
    }),
  },
  /** Who AWS says the session is: GetCallerIdentity, once for each issue of credentials. */
  Identity: {
    number: 0x07,
    request: struct({ config: string }),
    response: struct({ userId: string, account: string, arn: string }),
  },
  /** Ends the daemon; the reply is sent before it stops listening. */
  Stop: { number: 0x08, request: empty, response: struct({ pid: u32 }) },
  /** Ends a grant for good; its directory and its socket stay and say so. */
  GrantRevoke: { number: 0x0b, request: struct({ name: string }), response: grant },
  /** Revokes a grant and forgets it, its directory included. */
  GrantRemove: { number: 0x0c, request: struct({ name: string }), response: empty },
  /** The oldest question of a grant with `confirm` that is not answered; waits for one for up to 10 s. */
  GrantQuestion: {
    number: 0x0d,
    request: empty,
    response: struct({ question: optional(struct({ id: u32, grant: string, text: string })) }),
  },
  GrantAnswer: { number: 0x0e, request: struct({ id: u32, allow: boolean }), response: empty },
  /** Credentials of the grant whose socket this is; the one message that a grant socket answers. */
  Fetch: {
    number: 0x0f,
    request: empty,
    response: struct({ grant: string, config: string, region: optional(string), line: bytes }),
  },
  /**
   * As Add, of a directory of configs: an absolute path, or empty for the default one. The answer's `config` is what Vend
   * takes: see config/name.ts.
   */
  AddIn: {
    number: 0x10,
    request: struct({
      directory: string,
      ...addition,
      /** Leave a session that works its own source, whatever this requester selects. */
      keep: boolean,
      /** A person waits: one that backs off after failures tries again, once a second. */
      urgent: boolean,
    }),
    response: session,
  },
  /**
   * Sent for a person's command, before Vend: how the source that this requester selects differs from that of the session,
   * in words without secrets. Urgent, as AddIn may be.
   */
  Compare: {
    number: 0x12,
    request: struct({ config: string, environment: list(variable) }),
    response: struct({ difference: optional(string) }),
  },
  /** What a grant was made with. */
  GrantSource: {
    number: 0x13,
    request: struct({ name: string }),
    response: struct({
      /** The directory of its config. */
      directory: string,
      /** What selects its source credentials, as far as it is kept; no secret. */
      environment: list(variable),
      /** The STS that a variable of `environment` names. */
      endpoint: optional(string),
    }),
  },
  /**
   * Sent where an answer was `surroundings-wanted`, before the question is asked again on the same connection: the
   * environment and the directory for the helper of that session.
   */
  Surround: {
    number: 0x16,
    request: struct({
      workingDirectory: string,
      /** Variables that had no room. */
      leftOut: list(string),
      /** `NAME=value` and a zero byte for each, as many as there are; a piece of it. */
      piece: bytes,
      /** Whether another message brings the next piece. */
      more: boolean,
    }),
    response: empty,
  },
  /** As GrantMake, of a grant that is revoked and removed when the process that asks ends. */
  GrantRun: { number: 0x15, request: grantAddition, response: grant },
  /** The daemon's own proxies, by its variables: for a client that names none. Without users and passwords. */
  Proxies: { number: 0x14, request: empty, response: struct({ proxies: list(variable) }) },
  /** Makes a grant of a directory's config (as in AddIn), its directory and its socket. @see grantTerms */
  GrantMake: { number: 0x17, request: grantAddition, response: grant },
  /** All grants. */
  GrantsList: { number: 0x18, request: empty, response: struct({ grants: list(grant) }) },
  /** Puts another executable into a grant's directory; what is mounted works meanwhile. */
  GrantSet: {
    number: 0x19,
    request: struct({ name: string, executable: string, arch: optional(string) }),
    response: grant,
  },
  /** Which codes of MFA devices are waited for, from the oldest to the youngest. */
  Codes: { number: 0x1a, request: empty, response: struct({ codes: list(wantedCode) }) },
  /**
   * Sent where an answer was `code-wanted`, whose hint ends in the id: whether it is this client's turn to ask its person.
   * Waits for up to 10 s while another asks.
   */
  CodeTurn: {
    number: 0x1b,
    /** `canAsk`: whether this client could. `code-wanted` if not, and no other asks. */
    request: struct({ id: u32, canAsk: boolean }),
    /** `ask`, with the code; `wait` while it is another's turn; `done` where nothing waits for it any more. */
    response: struct({ state: string, code: optional(wantedCode) }),
  },
  /** Uses a code at once, for all that wait for it. */
  CodeAnswer: {
    number: 0x1c,
    request: struct({ id: u32, code: string }),
    /** What is wrong with the code, where another is to be given. */
    response: struct({ problem: optional(string) }),
  },
  /** How long a session's credentials are good: for a shell's prompt. Asks nothing of STS, and is no use of the session. */
  TimeLeft: {
    number: 0x1d,
    request: struct({ config: string }),
    /** Milliseconds; 0 for credentials that are expired, absent where there are none. */
    response: struct({ milliseconds: optional(u64) }),
  },
} as const satisfies Record<string, MessageRow>;

export type MessageName = keyof typeof messages;
export type RequestOf<Name extends MessageName> = ValueOf<(typeof messages)[Name]["request"]>;
export type ResponseOf<Name extends MessageName> = ValueOf<(typeof messages)[Name]["response"]>;

export type SessionInfo = ResponseOf<"Add">;
export type DaemonStatus = ResponseOf<"Status">;
/** The terms of a grant as they are sent. */
export type GrantTermsMessage = { readonly [Term in keyof typeof grantTerms]: ValueOf<(typeof grantTerms)[Term]> };
export type GrantInfo = ResponseOf<"GrantMake">;

/** The message number of an error reply, whatever the request was. */
export const ERROR_NUMBER = 0xff;

/** The body of an error reply. */
export const errorReply = struct({
  /** A number from errors.ts. */
  number: u16,
  message: string,
  hint: optional(string),
});

const namesByNumber = new Map<number, MessageName>(
  Object.entries(messages).map(([name, row]) => [row.number, name as MessageName]),
);

/** The name of a message number, or undefined if this build does not know it. */
export function messageNameOf(number: number): MessageName | undefined {
  return namesByNumber.get(number);
}
