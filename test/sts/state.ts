// Everything that one test STS knows: its options, clock, keys, roles, faults and record.
import { type Calls, createCalls } from "./calls.ts";
import { createFaults, type Faults } from "./faults.ts";
import { createIssuer, type Issuer } from "./issuer.ts";
import { createMfa, type Mfa, type MfaDevice } from "./mfa.ts";
import type { RoleDefinition, RoleDefinitions } from "./roles.ts";

export interface StsOptions {
  /** Seconds; AWS's 900 if absent. Tests of renewal use a few. */
  readonly minDuration?: number;
  /** Seconds, for roles that do not say; 43,200 if absent (a new role of AWS's has 3,600). */
  readonly maxSessionDuration?: number;
  /** By ARN. Other roles may be assumed by everybody, unless `onlyDefinedRoles` is set. */
  readonly roles?: RoleDefinitions;
  readonly onlyDefinedRoles?: boolean;
  readonly mfa?: MfaDevice;
  /** The only region that requests may be signed for; any if absent. */
  readonly region?: string;
  /** Milliseconds by which the server's clock is ahead: its Date header, its checks and its expirations. */
  readonly clockOffset?: number;
}

export interface State {
  readonly options: StsOptions;
  readonly issuer: Issuer;
  readonly faults: Faults;
  readonly calls: Calls;
  readonly mfa: Mfa;
  readonly roles: Map<string, RoleDefinition>;
  clockOffset: number;
  /** The clock as given. */
  trueNow(): number;
  /** The server's own, skewed. */
  now(): number;
  findRole(arn: string): RoleDefinition | undefined;
  /** Back to the options: no faults, no record, no skew. Keys that were issued stay good. */
  reset(): void;
}

export function createState(options: StsOptions, trueNow: () => number): State {
  const state: State = {
    options,
    issuer: createIssuer(trueNow()),
    faults: createFaults(),
    calls: createCalls(),
    mfa: createMfa(options.mfa),
    roles: new Map(),
    clockOffset: 0,
    trueNow,
    now: () => trueNow() + state.clockOffset,
    findRole: (arn) => state.roles.get(arn) ?? (options.onlyDefinedRoles === true ? undefined : {}),
    reset: () => {
      state.faults.clear();
      state.calls.reset();
      state.mfa.device = options.mfa;
      state.roles.clear();
      for (const [arn, role] of Object.entries(options.roles ?? {})) state.roles.set(arn, role);
      state.clockOffset = options.clockOffset ?? 0;
    },
  };
  state.reset();
  return state;
}
