// What a grant that signs allows, by the names of `operations.txt`. AWS's own decision comes after it.
import { RESOURCE_SERVICES } from "./resource.ts";
import { suggest } from "../text/suggest.ts";
import { vendingReason } from "./vending-operations.ts";
import type { Named } from "./operation.ts";
import { serviceNames, serviceOf } from "./table.ts";

/** As they were given: `SERVICE:OPERATION` with `*`. */
export interface Policy {
  /** None of them: whatever the role may. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Asked about, where it would be allowed. */
  readonly confirm: readonly string[];
  /** None of them: every region. */
  readonly regions: readonly string[];
  /** `SERVICE:NAME` with `*`; a service without one has no such limit. */
  readonly resources: readonly string[];
}

export type Verdict =
  | { readonly allowed: true; readonly confirm: boolean }
  | { readonly allowed: false; readonly why: string; readonly by: Refusal };

/** What refused a request, as `grant show` counts it. */
export type Refusal = "deny" | "hands out credentials" | "allow" | "region" | "resource" | "unnamed";

/** What a request may be of, and what it names there; undefined where that cannot be told. */
export interface Judged extends Named {
  readonly resources: readonly string[] | undefined;
}

const refuse = (by: Refusal, why: string): Verdict => ({ allowed: false, by, why });

/** All that the request may be of must be allowed. */
export function judge(policy: Policy, named: readonly Judged[], region: string): Verdict {
  if (named.length === 0) return refuse("unnamed", "keyhole knows no operation of AWS with this request");
  if (policy.regions.length > 0 && !policy.regions.includes(region))
    return refuse("region", `this grant has no region ${region} (--region)`);
  for (const one of named) {
    const { title } = one.operation;
    const denied = policy.deny.find((pattern) => coversOne(pattern, one));
    if (denied !== undefined) return refuse("deny", `this grant denies ${title} (--deny '${denied}')`);
    const reason = vendingReason(title);
    if (reason !== undefined && !policy.allow.some((pattern) => isSame(pattern, title)))
      return refuse(
        "hands out credentials",
        `${title} ${reason}: this grant denies it unless --allow names it in full`,
      );
    const names = named.filter((other) => isAlias(one, other));
    if (policy.allow.length > 0 && !names.some((each) => policy.allow.some((pattern) => coversOne(pattern, each))))
      return refuse("allow", `this grant does not allow ${title} (--allow)`);
    const refusal = judgeResources(policy, one);
    if (refusal !== undefined) return refuse("resource", refusal);
  }
  const asks = (one: Named) => policy.confirm.some((pattern) => coversOne(pattern, one));
  return { allowed: true, confirm: named.some(asks) };
}

/**
 * Operations for which AWS asks the permission of another, because they tell a part of what that tells: IAM has no action
 * HeadObject or HeadBucket (Service Authorization Reference, "Actions defined by Amazon S3").
 */
const TELLS_A_PART_OF: Readonly<Record<string, readonly string[]>> = {
  "s3:HeadBucket": ["s3:ListObjects", "s3:ListObjectsV2"],
  "s3:HeadObject": ["s3:GetObject"],
};

function coversOne(pattern: string, { operation: { title } }: Named): boolean {
  return [title, ...(TELLS_A_PART_OF[title] ?? [])].some((each) => matches(pattern, each));
}

/** One operation of one API under two names: rds, neptune and docdb share an endpoint and a version. */
function isAlias({ operation: one }: Named, { operation: other }: Named): boolean {
  return (
    one.name === other.name &&
    one.service.prefix === other.service.prefix &&
    one.service.version === other.service.version
  );
}

function judgeResources(policy: Policy, { operation, resources }: Judged): string | undefined {
  const { name } = operation.service;
  const limits = policy.resources.filter((limit) => limit.split(":", 1)[0]!.toLowerCase() === name);
  if (limits.length === 0) return undefined;
  const isMatch = (each: string) => limits.some((limit) => matches(limit.slice(name.length + 1), each, true));
  // As a listing of the whole bucket.
  const isWithin = (each: string) => isMatch(each) || (operation.title === "s3:HeadBucket" && isMatch(`${each}/`));
  if (resources === undefined || resources.length === 0)
    return `this grant has limits for ${name}, and ${operation.title} does not say what it is about (--resource)`;
  const missed = resources.find((each) => !isWithin(each));
  return missed === undefined ? undefined : `this grant does not allow ${operation.title} on ${missed} (--resource)`;
}

const isSame = (pattern: string, title: string) => pattern.toLowerCase() === title.toLowerCase();

/** `*` is any text; without regard to case, but of resources. */
export function matches(pattern: string, text: string, isExact = false): boolean {
  const parts = pattern.split("*").map((part) => RegExp.escape(part));
  return new RegExp(`^${parts.join(".*")}$`, isExact ? "s" : "is").test(text);
}

/** Why a pattern can mean nothing, and the nearest that can; undefined where it is good. */
export function explainPattern(pattern: string): string | undefined {
  const [service, operation, ...rest] = pattern.split(":");
  if (service === undefined || operation === undefined || operation === "" || rest.length > 0)
    return `'${pattern}' is not SERVICE:OPERATION, such as s3:Get* or dynamodb:PutItem`;
  const services = serviceNames.filter((name) => matches(service, name));
  if (services.length === 0) {
    const signing = serviceNames.filter((name) => serviceOf(name)!.signing === service.toLowerCase());
    const near = signing.length > 0 ? signing.join(" or ") : suggest(service.toLowerCase(), serviceNames);
    return `AWS has no service '${service}'${near === undefined ? "" : `; did you mean ${near}?`}`;
  }
  const operations = services.flatMap((name) => [...serviceOf(name)!.operations.keys()]);
  if (operations.some((name) => matches(operation, name))) return undefined;
  const near = nearest(operation, operations);
  return `${service} has no operation '${operation}'${near === undefined ? "" : `; did you mean ${service}:${near}?`}`;
}

/** As `explainPattern`, of `SERVICE:NAME`. */
export function explainResource(limit: string): string | undefined {
  const at = limit.indexOf(":");
  const service = limit.slice(0, Math.max(at, 0)).toLowerCase();
  if (at > 0 && at < limit.length - 1 && RESOURCE_SERVICES.some((each) => each === service)) return undefined;
  return `'${limit}' is not SERVICE:NAME of ${RESOURCE_SERVICES.join(", ")}, such as s3:bucket/prefix/*`;
}

function nearest(wanted: string, operations: readonly string[]): string | undefined {
  const bare = wanted.replaceAll("*", "");
  return suggest(bare, operations) ?? operations.find((name) => name.toLowerCase().includes(bare.toLowerCase()));
}
