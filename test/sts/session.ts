// What the two ways to assume a role have in common: parameters, durations, the issued session.
import type { Element } from "./xml.ts";
import { formatExpiration } from "../../src/credentials.ts";
import { StsError } from "./error.ts";
import type { Grant, Key } from "./issuer.ts";
import type { Parameters } from "./query.ts";
import type { RoleDefinition, RoleName } from "./roles.ts";
import type { State } from "./state.ts";
import { type Constraint, rangeViolationsOf, violationsOf } from "./validation.ts";

/** Seconds; all three as src/DESIGN.md#limits-of-sts has them. */
const LEAST_DURATION = 900;
const LONGEST_ROLE_SESSION = 43_200;
const DEFAULT_DURATION = 3600;

const NAME_CHARACTERS = { pattern: /^[\w+=,.@-]*$/, patternText: "[\\w+=,.@-]*" };
export const SESSION_NAME: Constraint = { minLength: 2, maxLength: 64, ...NAME_CHARACTERS };

/** What is wrong with the parameters that every role session has. */
export function roleSessionViolationsOf(state: State, parameters: Parameters): string[] {
  return [
    ...violationsOf("roleArn", parameters.get("RoleArn"), { required: true, minLength: 20, maxLength: 2048 }),
    ...violationsOf("roleSessionName", parameters.get("RoleSessionName"), { required: true, ...SESSION_NAME }),
    ...durationViolationsOf(state, parameters, LONGEST_ROLE_SESSION),
  ];
}

export function durationViolationsOf(state: State, parameters: Parameters, most: number): string[] {
  const seconds = readSeconds(parameters);
  if (seconds === undefined) return [];
  return rangeViolationsOf("durationSeconds", seconds, state.options.minDuration ?? LEAST_DURATION, most);
}

/** DurationSeconds as a number. @throws StsError if it is none. */
export function readSeconds(parameters: Parameters): number | undefined {
  const text = parameters.get("DurationSeconds");
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text)) throw new StsError("MalformedInput", `${text} can not be converted to an Integer`);
  return Number(text);
}

/** Seconds a role session lives. @throws StsError if more is asked for than the role gives. */
export function roleLifetime(state: State, parameters: Parameters, role: RoleDefinition): number {
  const longest = role.maxSessionDuration ?? state.options.maxSessionDuration ?? LONGEST_ROLE_SESSION;
  const seconds = readSeconds(parameters) ?? Math.min(DEFAULT_DURATION, longest);
  if (seconds <= longest) return seconds;
  throw new StsError(
    "ValidationError",
    "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
  );
}

/** The identity of a role session: whose ARN and user id the issued key will show. */
export function roleSessionOf(state: State, role: RoleName, sessionName: string) {
  return {
    arn: `arn:${role.partition}:sts::${role.accountId}:assumed-role/${role.name}/${sessionName}`,
    userId: `${state.issuer.roleId(role.arn)}:${sessionName}`,
    accountId: role.accountId,
    roleArn: role.arn,
  };
}

/** What an action answers: the key that it issued, and its part of the XML. */
export interface Answer {
  readonly issued?: Key;
  readonly result: Element;
}

/** Issues a key and shows it. `around` is what stands beside the credentials in the answer. */
export function issueSession(
  state: State,
  grant: Grant,
  omitExpiration: boolean,
  around: { readonly [name: string]: Element | undefined } = {},
): Answer {
  const issued = state.issuer.issue(grant, state.now());
  const credentials = {
    AccessKeyId: issued.accessKeyId,
    SecretAccessKey: issued.secretAccessKey,
    SessionToken: issued.sessionToken,
    Expiration: omitExpiration ? undefined : formatExpiration(issued.expiresAt),
  };
  return { issued, result: { Credentials: credentials, ...around } };
}
