// Source credentials by way of a child process: the SDK's chain reads the environment of its process, and everybody's
// differs. The child's side is resolver.ts.
import { type CredentialFields, Credentials } from "../credentials.ts";
import type { Clock } from "../daemon/clock.ts";
import { selectSourceEnvironment } from "../environment.ts";
import { errors, type ErrorName, KeyholeError } from "../errors.ts";
import { appendChain } from "../loop.ts";
import { quotePosix } from "../quoting.ts";
import type { SourceRequest } from "./cache.ts";
import type { ResolvedSource } from "./known.ts";
import { OTHER_BUILD, replaced } from "./protocol.ts";
import { givenUp } from "./places.ts";
import { runProgram } from "./program.ts";

/** Milliseconds; a hanging `credential_process` ends here. */
export const RESOLVE_DEADLINE = 10_000;
const LARGEST_ANSWER = 64 * 1024;

/** What the child reads on its stdin, as JSON. */
export interface ResolveRequest {
  /** Variables that are not in its environment block, which other processes can read while it starts. */
  readonly environment: Readonly<Record<string, string>>;
  /** The config's name. */
  readonly name: string;
  readonly profile?: string | undefined;
}

/** What the child prints on its stdout, as JSON: source credentials, or why there are none. */
export type ResolveAnswer = ResolveSuccess | ResolveFailure;

interface ResolveSuccess {
  readonly credentials: CredentialFields;
  readonly description: string;
  readonly chained: boolean;
  readonly renewal?: string | undefined;
  readonly error?: undefined;
}

interface ResolveFailure {
  readonly error: { readonly kind: ErrorName; readonly message: string; readonly hint?: string | undefined };
  readonly credentials?: undefined;
}

export interface SpawnOptions {
  /** The resolver: `[process.execPath, "--resolve-source"]`. */
  readonly command: readonly string[];
  /** What every spawned process gets beside the requester's variables: the daemon's own, which has no AWS_*. */
  readonly base: Readonly<Record<string, string>>;
  /** The daemon's control socket, for the chain marker. */
  readonly socketPath: string;
  readonly clock: Clock;
}

/** Where a requester without PATH finds programs. */
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/**
 * The whole environment of something spawned for the session `name`: the requester's, over the base, and marked. What
 * the runtime would obey is not the requester's to say, whatever it sent.
 */
export function spawnEnvironment(
  options: Pick<SpawnOptions, "base" | "socketPath">,
  request: Pick<SourceRequest, "environment" | "name">,
): Record<string, string> {
  const selected = selectSourceEnvironment(request.environment, () => "/");
  const environment = { PATH: DEFAULT_PATH, ...options.base, ...selected };
  return appendChain(environment, request.name, options.socketPath);
}

/** Keys, tokens and addresses that may hold some. The runtime obeys none: it begins before the child reads them. */
function isSent([name]: readonly [string, string]): boolean {
  return name.startsWith("AWS_");
}

/** @throws KeyholeError what the child says, `timeout`, or `internal` for a child that says nothing. */
export async function resolveInChild(options: SpawnOptions, request: SourceRequest): Promise<ResolvedSource> {
  const variables = Object.entries(spawnEnvironment(options, request));
  const environment = Object.fromEntries(variables.filter(isSent));
  const asked: ResolveRequest = { name: request.name, profile: request.profile, environment };
  const end = await runProgram({
    command: options.command,
    environment: Object.fromEntries(variables.filter((variable) => !isSent(variable))),
    input: JSON.stringify(asked),
    deadline: RESOLVE_DEADLINE,
    largestOutput: LARGEST_ANSWER,
    clock: options.clock,
    signal: request.signal,
  });
  if (end.kind === "ended" && end.exit === OTHER_BUILD) throw replaced();
  if (end.kind === "ended") return readAnswer(end.stdout);
  if (end.kind === "aborted") throw givenUp();
  if (end.kind === "timeout")
    throw new KeyholeError(
      "timeout",
      `the source credentials were not there within ${RESOLVE_DEADLINE / 1000} s`,
      request.profile === undefined
        ? "aws configure list"
        : `time aws configure export-credentials --profile ${quotePosix(request.profile)}`,
    );
  throw broken();
}

function readAnswer(text: string): ResolvedSource {
  const answer = parseAnswer(text);
  if (answer?.error) {
    const { kind, message, hint } = answer.error;
    throw new KeyholeError(Object.hasOwn(errors, kind) ? kind : "internal", message, hint);
  }
  if (!answer?.credentials?.accessKeyId || !answer.credentials.secretAccessKey) throw broken();
  const { credentials, description, chained, renewal } = answer;
  return { credentials: new Credentials(credentials), description, chained, renewal };
}

/** The child is this executable: its answer is trusted to be what it says, once it is JSON at all. */
function parseAnswer(text: string): ResolveAnswer | null {
  try {
    return JSON.parse(text) as ResolveAnswer | null;
  } catch {
    throw broken();
  }
}

/** Without what the child said: it may be half an answer, and half an answer may hold half a secret. */
function broken(): KeyholeError {
  return new KeyholeError("internal", "the process that resolves source credentials gave no answer");
}
