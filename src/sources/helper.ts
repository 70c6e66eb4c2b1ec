// A profile's `credential_process`, https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
import { Credentials } from "../credentials.ts";
import type { Clock } from "../clock.ts";
import { KeyholeError } from "../errors.ts";
import { callsKeyhole, findLoop } from "../loop.ts";
import { quotePosix } from "../text/quoting.ts";
import { type ProgramEnd, runProgram } from "./program.ts";
import { lastWords } from "./redact.ts";
import type { SourceEnvironment } from "./source.ts";

/** Milliseconds: longer than the resolver lives, which ends it. */
const DEADLINE = 3_600_000;
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

/** By a shell, as the SDKs of most languages do it. */
export async function runHelper(
  line: string,
  profile: string,
  { environment, clock }: { readonly environment: SourceEnvironment; readonly clock: Clock },
): Promise<Credentials> {
  const end = await runProgram({
    command: ["/bin/sh", "-c", line],
    environment,
    deadline: DEADLINE,
    largestOutput: LARGEST_OUTPUT,
    sharesGroup: true,
    clock,
    signal: new AbortController().signal,
  });
  const said = end.kind === "ended" ? `${end.stdout}\n${end.stderr}` : "";
  if (callsKeyhole(said)) throw new CallsKeyhole(profile);
  const loop = findLoop(said);
  if (loop !== undefined) throw loop;
  if (end.kind !== "ended" || end.exit !== 0) throw failure(profile, describeEnd(end, environment));
  return readDocument(end.stdout, profile, clock.wall());
}

function describeEnd(end: ProgramEnd, environment: SourceEnvironment): string {
  if (end.kind !== "ended") return end.kind === "too-long" ? "printed more than 64 KiB" : "cannot be run by /bin/sh";
  const words = lastWords(end.stderr, environment);
  return `failed with status ${end.exit}${words === "" ? "" : `: ${words}`}`;
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

function failure(profile: string, what: string): KeyholeError {
  return new KeyholeError(
    "no-source-credentials",
    `the credential_process of profile '${profile}' ${what}`,
    `aws configure export-credentials --profile ${quotePosix(profile)}`,
  );
}
