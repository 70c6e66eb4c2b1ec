// Roles and their trust policies. A server knows every role ARN unless it is told otherwise.
import { accessDenied, notAuthorized, StsError } from "./error.ts";
import type { Key } from "./issuer.ts";

/** What a role demands. JSON, so that a test in another process can define one. */
export interface RoleDefinition {
  /** Nobody may assume it. */
  readonly deny?: boolean;
  /** ARNs of users, roles or accounts (`…:root`) that may; everybody if absent. */
  readonly trust?: readonly string[];
  readonly externalId?: string;
  readonly requireMfa?: boolean;
  readonly requireSourceIdentity?: boolean;
  /** Seconds. */
  readonly maxSessionDuration?: number;
}

export type RoleDefinitions = Readonly<Record<string, RoleDefinition>>;

export interface RoleName {
  readonly arn: string;
  readonly partition: string;
  readonly accountId: string;
  /** Without the path, which the ARN of a session leaves out. */
  readonly name: string;
}

/** What a caller brings along that a trust policy may ask for. */
export interface Conditions {
  readonly externalId: string | undefined;
  readonly sourceIdentity: string | undefined;
  readonly mfa: boolean;
}

/** @throws StsError if it is not the ARN of a role. */
export function parseRoleArn(arn: string): RoleName {
  const parts = /^arn:(aws(?:-[a-z]+)*):iam::(\d{12}):role\/(?:[!-.0-~]+\/)*([\w+=,.@-]{1,64})$/.exec(arn);
  if (parts === null) throw new StsError("ValidationError", `${arn} is invalid`);
  return { arn, partition: parts[1]!, accountId: parts[2]!, name: parts[3]! };
}

/** @throws StsError (AccessDenied) if the role's trust policy does not let the caller in. */
export function authorize(role: RoleDefinition | undefined, roleArn: string, caller: Key, given: Conditions): void {
  if (role === undefined || !isTrusted(role, caller) || !areMet(role, given)) {
    throw notAuthorized(caller.arn, "sts:AssumeRole", roleArn);
  }
}

/** As `authorize`, for a caller without a key: a trust in principals then trusts nobody. */
export function authorizeWebIdentity(role: RoleDefinition | undefined): void {
  if (role === undefined || role.deny === true || role.trust !== undefined) {
    throw accessDenied("Not authorized to perform sts:AssumeRoleWithWebIdentity");
  }
}

function isTrusted({ deny, trust }: RoleDefinition, caller: Key): boolean {
  if (deny === true) return false;
  const names = [caller.arn, caller.roleArn, caller.accountId, `arn:aws:iam::${caller.accountId}:root`];
  return trust === undefined || trust.some((principal) => names.includes(principal));
}

function areMet(role: RoleDefinition, given: Conditions): boolean {
  if (role.externalId !== undefined && role.externalId !== given.externalId) return false;
  if (role.requireMfa === true && !given.mfa) return false;
  return role.requireSourceIdentity !== true || given.sourceIdentity !== undefined;
}
