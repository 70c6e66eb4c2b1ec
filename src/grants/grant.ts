// What a grant is: one config's identity, narrowed, in a directory that can be mounted.
import { formatSessionName } from "../config/name.ts";
import { grantTerms, type GrantTermsMessage } from "../wire/messages.ts";

/** What a person decides about a grant, checked; wire/messages.ts says what each is. */
export interface GrantTerms extends Omit<GrantTermsMessage, "deliver" | "executable" | "arch"> {
  readonly deliver: Delivery;
  readonly executable: Executable;
  readonly arch: Arch | undefined;
}

/**
 * `file` for sandboxes that forbid AF_UNIX: a lease on tmpfs, weaker than a socket. `sign`: no credentials at all, requests
 * are signed for the sandbox.
 */
export const deliveries = ["socket", "file", "sign"] as const;
export type Delivery = (typeof deliveries)[number];

/** What a grant that signs allows. */
export type SignTerms = NonNullable<GrantTerms["sign"]>;

/**
 * What lies in the directory as `keyhole`. `small` is a few kilobytes for Linux and answers `credential_process` alone;
 * `full` is all of keyhole, for this machine.
 */
export const executables = ["small", "full", "none"] as const;
export type Executable = (typeof executables)[number];

/** The CPUs that keyhole is built for, as container images name them. */
export const arches = ["amd64", "arm64"] as const;
export type Arch = (typeof arches)[number];

/** What is added to the config's parameters on the way to STS; all of it narrows or marks. */
export type GrantScope = Pick<GrantTerms, "policy" | "policyArns" | "tags" | "sourceIdentity" | "durationSeconds">;

/** `count` requests in each `milliseconds`. */
export type Rate = GrantTerms["rate"];

/** The terms among other fields. */
export function termsOf<Terms extends GrantTermsMessage>(all: Terms): Pick<Terms, keyof GrantTermsMessage> {
  const names = Object.keys(grantTerms) as (keyof GrantTermsMessage)[];
  return Object.fromEntries(names.map((name) => [name, all[name]])) as Pick<Terms, keyof GrantTermsMessage>;
}

/** A grant as it is kept in `grants/NAME.yaml`: no secret. Times are milliseconds since the epoch. */
export interface Grant extends GrantTerms {
  /** The SHA-256 of the name of its directory (grants/names.ts). */
  readonly id: string;
  /** `keyhole-<grant>-<8 hex>`; the same at every renewal, another one for every grant. Unused beside `identity`. */
  readonly sessionName: string;
  /** The ARN of whose credentials it hands on as they are; undefined for one that has role sessions of its own. */
  readonly identity: string | undefined;
  readonly createdAt: number;
  /** AWS's clock minus this machine's when it was made, in milliseconds: `endsAt` is a moment on both. */
  readonly clockSkew: number;
  readonly endsAt: number | undefined;
  readonly revokedAt: number | undefined;
  /** Answers so far; kept on the disk only where `maxUses` bounds them. */
  readonly uses: number;
  /** What selects the source credentials and is no secret: profiles, files, regions, endpoints. */
  readonly environment: Readonly<Record<string, string>>;
  /** The source credentials were keys in the environment, which a restart of the daemon forgets. */
  readonly hadKeys: boolean;
  /** Of those keys: a daemon start with the same keys gives them back. */
  readonly keyId: string | undefined;
  /** Where its config is; undefined for the default directory. */
  readonly configDir: string | undefined;
  /** The process that it ends with; undefined for a grant that is bound to none. */
  readonly runner: Runner | undefined;
  /** Of a grant that signs: the keys that its sandbox has, which are good for this grant alone. */
  readonly dummy: DummyKeys | undefined;
}

interface DummyKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A `keyhole run`. */
export interface Runner {
  readonly pid: number;
  /** See server/starts.ts. */
  readonly started: string;
}

/** The machine that serves a grant. */
export interface GrantMachine {
  readonly platform: NodeJS.Platform;
  /** As process.arch has it. */
  readonly cpu: string;
}

/** `small`, unless the grant is used where no small executable runs: on macOS itself. */
export function defaultExecutable(mountAt: string, { platform }: GrantMachine): Executable {
  return platform === "darwin" && mountAt === HOST_MOUNT ? "full" : "small";
}

/** Why a grant cannot have such an executable; undefined where it can. */
export function executableProblem(
  { executable, arch, mountAt }: Pick<GrantTermsMessage, "executable" | "arch" | "mountAt">,
  { platform, cpu }: GrantMachine,
): string | undefined {
  if (!executables.some((each) => each === executable)) return `the executable is ${executables.join(", ")}`;
  if (arch !== undefined && !arches.some((each) => each === arch)) return `the CPU is ${arches.join(" or ")}`;
  if (executable === "full" && arch !== undefined && arch !== archOf(cpu))
    return `the full executable is that of this machine, not one for ${arch}: use the small one with --arch`;
  if (executable === "small" && platform === "darwin" && mountAt === HOST_MOUNT)
    return "the small executable is for Linux: where the grant is used on this machine itself, use the full one";
  return undefined;
}

/** Of process.arch. */
export function archOf(cpu: string): Arch {
  return cpu === "arm64" ? "arm64" : "amd64";
}

/** Of `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`; undefined for who is no role's session. */
export function roleSessionOf(arn: string): { readonly role: string; readonly session: string } | undefined {
  const [, role, session] = /^(arn:[^:]+:sts::[^:]*:assumed-role\/[^/]+)\/(.+)$/.exec(arn) ?? [];
  return role === undefined || session === undefined ? undefined : { role, session };
}

/** Whether they have the same permissions: the sessions of a role do, whatever their names. */
export function isSameIdentity(arn: string, other: string): boolean {
  return (roleSessionOf(arn)?.role ?? arn) === (roleSessionOf(other)?.role ?? other);
}

/** By what name the config of a grant is read. */
export function configNameOf({ config, configDir }: Pick<Grant, "config" | "configDir">): string {
  return formatSessionName({ config, directory: configDir, endpoint: undefined });
}

/** `active` answers; the others say why they do not. */
export type GrantState = "active" | "expired" | "revoked" | "used-up";

/** @param now milliseconds since the epoch, on AWS's clock */
export function stateOf(grant: Pick<Grant, "revokedAt" | "endsAt" | "maxUses" | "uses">, now: number): GrantState {
  if (grant.revokedAt !== undefined) return "revoked";
  if (grant.endsAt !== undefined && now >= grant.endsAt) return "expired";
  return grant.maxUses !== undefined && grant.uses >= grant.maxUses ? "used-up" : "active";
}

/** Where the sandbox sees the directory unless `--mount-at` says otherwise. */
export const DEFAULT_MOUNT = "/run/keyhole";

/** `mountAt` of a sandbox that shares the host's file system. */
export const HOST_MOUNT = "host";

/** A process asks once and keeps the answer for minutes; this is ten processes that start in one second. */
export const DEFAULT_RATE: Rate = { count: 10, milliseconds: 1000 };

/** SDKs open 10 to 50 connections, and ask for a part of a file over each. */
export const SIGNING_RATE: Rate = { count: 1000, milliseconds: 1000 };

/** What a grant that signs cannot have, a line each. */
export function signProblems(
  terms: Pick<GrantTermsMessage, "maxUses" | "allowUids" | "allowGids" | "confirm" | "executable">,
): string[] {
  const problems = [];
  if (terms.maxUses !== undefined) problems.push("--max-uses counts credentials, and a grant that signs gives none");
  if (terms.allowUids.length > 0 || terms.allowGids.length > 0)
    problems.push(
      "--allow-uid and --allow-gid are for grants that give credentials: the keys of one that signs say who may",
    );
  if (terms.executable === "small")
    problems.push("the small executable cannot carry requests to a grant that signs: --executable full, or none");
  return problems;
}

/** What a grant that is delivered as a file cannot have, a line each: the daemon sees no reader of the file, and no read. */
export function fileProblems(
  terms: Pick<GrantTermsMessage, "allowUids" | "allowGids" | "maxUses" | "confirm" | "rate">,
): string[] {
  const given = {
    "--allow-uid": terms.allowUids.length > 0,
    "--allow-gid": terms.allowGids.length > 0,
    "--max-uses": terms.maxUses !== undefined,
    "--confirm": terms.confirm,
    "--rate": terms.rate.count !== DEFAULT_RATE.count || terms.rate.milliseconds !== DEFAULT_RATE.milliseconds,
  };
  return Object.entries(given)
    .filter(([, isGiven]) => isGiven)
    .map(([option]) => `${option} is for sockets: the daemon does not see who reads a file`);
}
