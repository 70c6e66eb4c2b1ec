// What a requester's files and environment say, and its source credentials, by way of a child process: no file of
// theirs is read in the daemon, and the SDK's providers read the environment of their process, which differs for
// each client. The child's side is resolver.ts.
import { type CredentialFields, Credentials } from "../../credentials.ts";
import type { Clock } from "../../clock.ts";
import { definedVariables, overBase, selectSourceEnvironment } from "../../environment.ts";
import { errors, KeyholeError } from "../../errors.ts";
import { appendChain } from "../../loop.ts";
import type { SourceRequest } from "../source-cache.ts";
import type { Chain, ChainRequest } from "./chain.ts";
import type { HelperSetting } from "../helper.ts";
import type { ResolvedSource } from "../given-keys.ts";
import { OTHER_BUILD, replaced } from "../sts/worker-protocol.ts";
import { givenUp } from "./child-slots.ts";
import { runProgram } from "../run-program.ts";
import type { ReadFiles } from "../source.ts";
import { describeLeftOut, helperVariables, type Surroundings } from "../../surroundings.ts";
import type { Way } from "../sts/target.ts";

/** Milliseconds after which the child gives up, and says on what; a hanging `credential_process` ends here. */
export const RESOLVE_DEADLINE = 10_000;
/** Milliseconds more for a child that does not keep it. */
const GRACE = 1_000;
/** Bytes: the CA bundles that files/foreign.ts takes, each byte of which may have to be escaped. */
const LARGEST_ANSWER = 64 * 2 ** 20;

/** What the child reads on its stdin, as JSON. */
export type ResolveRequest = Omit<ChainRequest, "clock" | "waitsFor">;

/** What the child prints on its stdout, as a line of JSON. */
export type ResolveAnswer = ResolveSuccess | ResolveFailure;

interface ResolveSuccess {
  readonly files: ReadFiles;
  /** Where it was asked for. */
  readonly way?: Way;
  readonly token?: string | undefined;
  readonly source?: (Omit<ResolvedSource, "credentials"> & { readonly credentials: CredentialFields }) | undefined;
  readonly error?: undefined;
}

interface ResolveFailure {
  readonly error: Pick<KeyholeError, "kind" | "message" | "hint"> & { readonly said?: string | undefined };
}

export interface SpawnOptions {
  /** The resolver: `[process.execPath, "--resolve-source"]`. */
  readonly command: readonly string[];
  /** What every spawned process gets beside the requester's variables: the daemon's own, which has no AWS_*. */
  readonly base: Readonly<Record<string, string>>;
  /** The daemon's control socket, for the chain marker. */
  readonly socketPath: string;
  /** The name of the user the daemon runs as, for role session names. */
  readonly user: () => string;
  readonly clock: Clock;
}

/** Where a requester without PATH finds programs. */
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/**
 * The whole environment of something spawned for the session `name`: the requester's, over the base, and marked. What
 * the runtime would obey is not the requester's to say, whatever it sent.
 */
export function spawnEnvironment(
  { base, socketPath }: Pick<SpawnOptions, "base" | "socketPath">,
  { environment, name }: Pick<SourceRequest, "environment" | "name">,
): Record<string, string> {
  const selected = selectSourceEnvironment(environment, () => "/");
  return appendChain({ PATH: DEFAULT_PATH, ...overBase(base, selected) }, name, socketPath);
}

/** The same for a helper, with what the requester told of its surroundings; undefined where it told nothing. */
export function helperSetting(
  { base }: Pick<SpawnOptions, "base">,
  surroundings: Surroundings | undefined,
  environment: Readonly<Record<string, string>>,
): HelperSetting | undefined {
  if (surroundings === undefined) return undefined;
  return {
    // The daemon's language and desktop give way to the requester's, and both to what the session is.
    environment: { ...base, ...helperVariables(surroundings), ...withoutBase(environment, base) },
    workingDirectory: surroundings.workingDirectory,
    lacks: describeLeftOut(surroundings),
  };
}

function withoutBase(
  environment: Readonly<Record<string, string>>,
  base: SpawnOptions["base"],
): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name, value]) => base[name] !== value));
}

/** @throws KeyholeError what the child says, `timeout`, or `internal` for a child that says nothing. */
export async function resolveInChild(
  options: SpawnOptions,
  request: SourceRequest,
  onLeft?: (ended: Promise<unknown>) => void,
): Promise<Chain> {
  const { way, source, token, files } = await askChild(options, request, onLeft);
  if (!way) throw broken();
  if (source === undefined) return { files, way, source, token };
  if (!source.credentials?.accessKeyId || !source.credentials.secretAccessKey) throw broken();
  return { files, way, token, source: { ...source, credentials: new Credentials(source.credentials) } };
}

/** What the files say that count for this request. Throws as `resolveInChild`. */
export async function rereadInChild(options: SpawnOptions, request: SourceRequest): Promise<ReadFiles> {
  return (await askChild(options, { ...request, wants: "files" })).files;
}

async function askChild(
  options: SpawnOptions,
  request: SourceRequest,
  onLeft?: (ended: Promise<unknown>) => void,
): Promise<ResolveSuccess> {
  const { surroundings, signal, environment: _, ...told } = request;
  const environment = spawnEnvironment(options, request);
  const { HOME, PATH } = environment;
  const helper = helperSetting(options, surroundings, environment);
  const asked: ResolveRequest = { ...told, user: options.user(), environment, helper };
  const end = await runProgram({
    command: options.command,
    // No secret: any process of this user may look at it.
    environment: definedVariables({ HOME, PATH }),
    input: JSON.stringify(asked),
    deadline: RESOLVE_DEADLINE + GRACE,
    patience: request.timeout + RESOLVE_DEADLINE + GRACE,
    largestOutput: LARGEST_ANSWER,
    saysOneLine: true,
    clock: options.clock,
    signal,
    onLeft,
  });
  if (end.kind === "ended" && end.exit === OTHER_BUILD) throw replaced();
  if (end.kind === "ended") return readAnswer(end.stdout);
  if (end.kind === "aborted") throw givenUp();
  if (end.kind === "timeout")
    throw new KeyholeError("timeout", "the source gave no credentials in time", "aws configure list");
  throw broken();
}

function readAnswer(text: string): ResolveSuccess {
  const answer = parseAnswer(text);
  if (answer?.error) {
    const { kind, message, hint, said } = answer.error;
    throw new KeyholeError(Object.hasOwn(errors, kind) ? kind : "internal", message, hint, said);
  }
  if (!answer?.files) throw broken();
  return answer;
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
