// One-time codes that a config's command prints.
import type { Config, MfaSection } from "../config/config.ts";
import type { Clock } from "../clock.ts";
import { type ErrorName, KeyholeError } from "../errors.ts";
import type { HelperSetting } from "./helper.ts";
import { type ProgramEnd, runProgram } from "./run-program.ts";
import { lastWords } from "./redact.ts";
import type { Sent } from "./sts/refusal.ts";
import { splitWords } from "../text/quoting.ts";

export interface MfaRequest {
  /** The config's name. */
  readonly name: string;
  readonly mfa: MfaSection;
  /** The device; takes the place of `{serial}`. */
  readonly serial: string;
  /** The whole environment of the command, where it has no `helper`. */
  readonly environment: Readonly<Record<string, string>>;
  readonly helper: HelperSetting | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Seconds; elhaz's 30 are short for a key that is to be found and touched. */
const DEFAULT_TIMEOUT = 60;

/** Milliseconds that the command of a config may take. */
export function mfaPatience({ MFA }: Config): number {
  return MFA === undefined ? 0 : (MFA.timeout ?? DEFAULT_TIMEOUT) * 1_000;
}

const LARGEST_OUTPUT = 64 * 1024;

/**
 * The code that the command prints; it runs anew each time. Neither the command line nor what it printed is in an error:
 * both may hold a secret.
 *
 * @throws KeyholeError `invalid-config`, `person-needed`, `timeout`.
 */
export async function runMfaCommand(request: MfaRequest): Promise<string> {
  const { mfa, serial, helper, clock, signal } = request;
  const words = typeof mfa.command === "string" ? splitWords(mfa.command) : mfa.command;
  const command = words?.map((word) => word.replaceAll("{serial}", serial));
  if (command === undefined) throw failure(request, "invalid-config", "MFA.command has an open quote");
  if (!command[0]) throw failure(request, "invalid-config", "MFA.command is empty");
  const environment = helper?.environment ?? request.environment;
  const { workingDirectory } = helper ?? {};
  const largestOutput = LARGEST_OUTPUT;
  const deadline = mfaPatience({ MFA: mfa });
  const end = await runProgram({ command, environment, workingDirectory, deadline, largestOutput, clock, signal });
  const code = end.kind === "ended" && end.exit === 0 ? end.stdout.match(/\b\d{6}\b/g)?.at(-1) : undefined;
  if (code !== undefined) return code;
  throw explainEnd(request, end, deadline / 1_000);
}

function explainEnd(request: MfaRequest, end: ProgramEnd, timeout: number): KeyholeError {
  if (end.kind === "ended") {
    const words = lastWords(end.stderr, request.helper?.environment ?? request.environment);
    const what = end.exit === 0 ? "printed no six-digit code" : `failed with status ${end.exit}`;
    return failure(request, "person-needed", `MFA.command ${what}${request.helper?.lacks ?? ""}`, words);
  }
  const ends = {
    "not-found": ["invalid-config", "is not found in the PATH of the client that added the session"],
    "not-executable": ["invalid-config", "cannot be executed"],
    timeout: ["person-needed", `did not end within ${timeout} s`],
    aborted: ["timeout", "was given up"],
    "too-long": ["person-needed", "printed more than 64 KiB"],
  } as const satisfies Record<typeof end.kind, readonly [ErrorName, string]>;
  const [kind, what] = ends[end.kind];
  return failure(request, kind, `MFA.command ${what}`);
}

function failure(request: MfaRequest, kind: ErrorName, message: string, said = ""): KeyholeError {
  return new KeyholeError(kind, message, `keyhole config update -n ${request.name}`, said);
}

/** Where the code of a config comes from, for the hint of a refusal. */
export function mfaOf({ MFA, AssumeRole, GetSessionToken }: Config): Sent["mfa"] {
  if (MFA !== undefined) return "command";
  const { SerialNumber: serial, TokenCode: code } = GetSessionToken ?? AssumeRole ?? {};
  if (code !== undefined) return "code";
  return serial === undefined ? "none" : "person";
}
