// A profile's `credential_process`, https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
import { Credentials } from "../credentials.ts";
import type { Clock } from "../clock.ts";
import { CHAIN_VARIABLE, definedVariables } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { callsKeyhole, findLoop } from "../loop.ts";
import { quotePosix } from "../text/quoting.ts";
import { type ProgramEnd, runProgram } from "./run-program.ts";
import { lastWords } from "./redact.ts";
import type { SourceEnvironment } from "./source.ts";

const LARGEST_OUTPUT = 64 * 1024;

/** Thrown where a `credential_process` turned out to be keyhole, which was told to refuse (loop.ts). */
export class CallsKeyhole extends KeyholeError {
  constructor(profile: string) {
    super("credential-loop", `profile '${profile}' calls keyhole itself`);
  }
}

/** Whether a note of source credentials says that they are not those of the profile that was asked for. */
export function isFallback(note: string): boolean {
  return /^profile '.*' calls keyhole itself/s.test(note);
}

/** Milliseconds that a helper may take where the config does not say: time enough to find and touch a key. */
export const HELPER_PATIENCE = 60_000;

/** What a helper gets of the requester's surroundings. Plain data. */
export interface HelperSetting {
  /** All of it. */
  readonly environment: SourceEnvironment;
  readonly workingDirectory: string;
  /** What it had to do without, for the error. */
  readonly lacks: string;
}

interface HelperContext {
  readonly environment: SourceEnvironment;
  /** In place of `environment`; undefined: it gets that. */
  readonly helper: HelperSetting | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
}

/** Thrown where a helper was late: what it started is still there, in this process's group. */
export class HelperLate extends KeyholeError {}

/** By a shell, as the SDKs of most languages do it. */
export async function runHelper(
  line: string,
  profile: string,
  { environment: selected, helper, timeout, clock }: HelperContext,
): Promise<Credentials> {
  // The marker was lengthened since the helper's was made.
  const environment = definedVariables({
    ...(helper?.environment ?? selected),
    [CHAIN_VARIABLE]: selected[CHAIN_VARIABLE],
  });
  const end = await runProgram({
    command: ["/bin/sh", "-c", line],
    environment,
    workingDirectory: helper?.workingDirectory,
    deadline: timeout,
    largestOutput: LARGEST_OUTPUT,
    sharesGroup: true,
    clock,
    signal: new AbortController().signal,
  });
  const said = end.kind === "ended" ? `${end.stdout}\n${end.stderr}` : "";
  if (callsKeyhole(said)) throw new CallsKeyhole(profile);
  const loop = findLoop(said);
  if (loop !== undefined) throw loop;
  if (end.kind === "timeout") throw new HelperLate("person-needed", late(profile, timeout), checkOf(profile));
  if (end.kind !== "ended" || end.exit !== 0) {
    const words = end.kind === "ended" ? lastWords(end.stderr, environment) : "";
    throw failure(profile, `${describeEnd(end)}${helper?.lacks ?? ""}`, words);
  }
  return readDocument(end.stdout, profile, clock.wall());
}

function describeEnd(end: ProgramEnd): string {
  if (end.kind === "ended") return `failed with status ${end.exit}`;
  return end.kind === "too-long" ? "printed more than 64 KiB" : "cannot be run by /bin/sh";
}

function late(profile: string, timeout: number): string {
  return `the credential_process of profile '${profile}' did not end within ${timeout / 1_000} s`;
}

function readDocument(text: string, profile: string, now: number): Credentials {
  let document: Readonly<Record<string, unknown>>;
  try {
    document = { ...(JSON.parse(text) as object | null) };
  } catch {
    throw failure(profile, "returned invalid JSON");
  }
  const { Version, AccessKeyId, SecretAccessKey, SessionToken, Expiration, AccountId } = document;
  if (Version !== 1) throw failure(profile, "did not return Version 1");
  if (typeof AccessKeyId !== "string" || typeof SecretAccessKey !== "string" || !AccessKeyId || !SecretAccessKey)
    throw failure(profile, "returned invalid credentials");
  const expiresAt = typeof Expiration === "string" ? Date.parse(Expiration) : undefined;
  if (expiresAt !== undefined && !(expiresAt > now)) throw failure(profile, "returned expired credentials");
  return new Credentials({
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: typeof SessionToken === "string" && SessionToken !== "" ? SessionToken : undefined,
    expiresAt,
    accountId: typeof AccountId === "string" ? AccountId : undefined,
  });
}

function failure(profile: string, what: string, said = ""): KeyholeError {
  return new KeyholeError(
    "no-source-credentials",
    `the credential_process of profile '${profile}' ${what}`,
    checkOf(profile),
    said,
  );
}

function checkOf(profile: string): string {
  return `aws configure export-credentials --profile ${quotePosix(profile)}`;
}
