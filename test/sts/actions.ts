// The operations: parameters in, the fields of the answer out.
import { accessDenied, StsError } from "./error.ts";
import type { Key } from "./issuer.ts";
import { readScope } from "./policy.ts";
import { type Parameters, structureMembers } from "./query.ts";
import { authorize, authorizeWebIdentity, parseRoleArn } from "./roles.ts";
import {
  type Answer,
  durationViolationsOf,
  issueSession,
  readSeconds,
  roleLifetime,
  roleSessionOf,
  roleSessionViolationsOf,
  SESSION_NAME,
} from "./session.ts";
import type { State } from "./state.ts";
import { countViolationsOf, refuseViolations, violationsOf } from "./validation.ts";
import { readWebIdentity } from "./webidentity.ts";

/** Seconds a role session lives at most when a role session asked for it. */
const LONGEST_CHAINED = 3600;
/** GetSessionToken's default and most, in seconds, for a user. */
const DEFAULT_SESSION_TOKEN = 43_200;
const LONGEST_SESSION_TOKEN = 129_600;
const MOST_CONTEXTS = 5;

export interface Request {
  readonly state: State;
  readonly parameters: Parameters;
  readonly omitExpiration: boolean;
}

export const signedActions: Readonly<Record<string, (request: Request, caller: Key) => Answer>> = {
  AssumeRole: assumeRole,
  GetSessionToken: getSessionToken,
  GetCallerIdentity: (_request, { userId, accountId, arn }) => ({
    result: { UserId: userId, Account: accountId, Arn: arn },
  }),
};

/** Actions that bring their own proof. */
export const unsignedActions: Readonly<Record<string, (request: Request) => Answer>> = {
  AssumeRoleWithWebIdentity: assumeRoleWithWebIdentity,
};

function assumeRole({ state, parameters, omitExpiration }: Request, caller: Key): Answer {
  const contexts = structureMembers(parameters, "ProvidedContexts", ["ProviderArn", "ContextAssertion"]);
  refuseViolations([
    ...roleSessionViolationsOf(state, parameters),
    ...violationsOf("externalId", parameters.get("ExternalId"), EXTERNAL_ID),
    ...violationsOf("sourceIdentity", parameters.get("SourceIdentity"), SOURCE_IDENTITY),
    ...violationsOf("serialNumber", parameters.get("SerialNumber"), SERIAL_NUMBER),
    ...violationsOf("tokenCode", parameters.get("TokenCode"), TOKEN_CODE),
    ...countViolationsOf("providedContexts", contexts.length, MOST_CONTEXTS),
  ]);
  const role = parseRoleArn(parameters.get("RoleArn")!);
  const scope = readScope(parameters, role, caller.transitiveTags);
  const mfa = state.mfa.check(parameters.get("SerialNumber"), parameters.get("TokenCode"));
  const sourceIdentity = inheritSourceIdentity(parameters.get("SourceIdentity"), caller, role.arn);
  const definition = state.findRole(role.arn);
  const externalId = parameters.get("ExternalId");
  authorize(definition, role.arn, caller, { externalId, sourceIdentity, mfa: mfa || caller.mfa });
  const isChained = caller.roleArn !== undefined;
  if (isChained && (readSeconds(parameters) ?? 0) > LONGEST_CHAINED) {
    throw new StsError(
      "ValidationError",
      "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
    );
  }
  const session = roleSessionOf(state, role, parameters.get("RoleSessionName")!);
  const lifetimeSeconds = roleLifetime(state, parameters, definition ?? {});
  const { packedSize, ...carried } = scope;
  return issueSession(state, { ...session, ...carried, sourceIdentity, lifetimeSeconds }, omitExpiration, {
    AssumedRoleUser: { AssumedRoleId: session.userId, Arn: session.arn },
    PackedPolicySize: packedSize,
    SourceIdentity: sourceIdentity,
  });
}

function assumeRoleWithWebIdentity({ state, parameters, omitExpiration }: Request): Answer {
  refuseViolations([
    ...roleSessionViolationsOf(state, parameters),
    ...violationsOf("webIdentityToken", parameters.get("WebIdentityToken"), WEB_IDENTITY_TOKEN),
  ]);
  const role = parseRoleArn(parameters.get("RoleArn")!);
  const scope = readScope(parameters, role, new Map());
  const identity = readWebIdentity(parameters.get("WebIdentityToken")!, state.now());
  const definition = state.findRole(role.arn);
  authorizeWebIdentity(definition);
  const session = roleSessionOf(state, role, parameters.get("RoleSessionName")!);
  const lifetimeSeconds = roleLifetime(state, parameters, definition ?? {});
  const { packedSize, ...carried } = scope;
  return issueSession(state, { ...session, ...carried, lifetimeSeconds }, omitExpiration, {
    SubjectFromWebIdentityToken: identity.subject,
    AssumedRoleUser: { AssumedRoleId: session.userId, Arn: session.arn },
    PackedPolicySize: packedSize,
    Provider: identity.issuer,
    Audience: identity.audience,
  });
}

/** Credentials of the same user for a while; with MFA, that is what they are for. */
function getSessionToken({ state, parameters, omitExpiration }: Request, caller: Key): Answer {
  refuseViolations([
    ...durationViolationsOf(state, parameters, LONGEST_SESSION_TOKEN),
    ...violationsOf("serialNumber", parameters.get("SerialNumber"), SERIAL_NUMBER),
    ...violationsOf("tokenCode", parameters.get("TokenCode"), TOKEN_CODE),
  ]);
  if (caller.sessionToken !== undefined) throw accessDenied("Cannot call GetSessionToken with session credentials");
  const mfa = state.mfa.check(parameters.get("SerialNumber"), parameters.get("TokenCode"));
  const { arn, userId, accountId } = caller;
  const lifetimeSeconds = readSeconds(parameters) ?? DEFAULT_SESSION_TOKEN;
  return issueSession(state, { arn, userId, accountId, mfa, lifetimeSeconds }, omitExpiration);
}

/** A source identity stays what it is down a chain of roles. */
function inheritSourceIdentity(asked: string | undefined, caller: Key, roleArn: string): string | undefined {
  if (asked === undefined || caller.sourceIdentity === undefined) return asked ?? caller.sourceIdentity;
  if (asked === caller.sourceIdentity) return asked;
  throw accessDenied(`User: ${caller.arn} is not authorized to perform: sts:SetSourceIdentity on resource: ${roleArn}`);
}

const EXTERNAL_ID = { minLength: 2, maxLength: 1224, pattern: /^[\w+=,.@:/-]*$/, patternText: "[\\w+=,.@:\\/-]*" };
const SOURCE_IDENTITY = { ...SESSION_NAME, pattern: /^(?!aws:)[\w+=,.@-]*$/ };
const SERIAL_NUMBER = { minLength: 9, maxLength: 256, pattern: /^[\w+=/:,.@-]*$/, patternText: "[\\w+=/:,.@-]*" };
const TOKEN_CODE = { minLength: 6, maxLength: 6, pattern: /^\d*$/, patternText: "[\\d]*" };
const WEB_IDENTITY_TOKEN = { required: true, minLength: 4, maxLength: 20_000 };
