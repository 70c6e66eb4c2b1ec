// What a session may carry: session policies and tags, and how much room they take.
import { deflateRawSync } from "node:zlib";
import { StsError } from "./error.ts";
import { type Parameters, stringMembers, structureMembers } from "./query.ts";
import type { RoleName } from "./roles.ts";
import { countViolationsOf, refuseViolations, validationError, violationsOf } from "./validation.ts";

/** Characters, of the inline policy and the ARNs of managed ones together. */
const LONGEST_PLAINTEXT = 2048;
const MOST_POLICY_ARNS = 10;
const MOST_TAGS = 50;
/** AWS's packed format and its limit are not published. This one is near: 50 long tags do not fit, 20 short ones do. */
const PACKED_BYTES = 4096;

export interface Scope {
  readonly policy: string | undefined;
  readonly policyArns: readonly string[];
  readonly tags: ReadonlyMap<string, string>;
  readonly transitiveTags: ReadonlyMap<string, string>;
  /** Percent; absent where nothing was packed. */
  readonly packedSize: number | undefined;
}

/**
 * Reads and checks what narrows or marks a session.
 *
 * @param inherited the transitive tags of the calling session
 * @throws StsError for what AWS would refuse
 */
export function readScope(parameters: Parameters, role: RoleName, inherited: ReadonlyMap<string, string>): Scope {
  const policy = parameters.get("Policy");
  const policyArns = readPolicyArns(parameters);
  const tags = readTags(parameters);
  const transitiveKeys = stringMembers(parameters, "TransitiveTagKeys");
  refuseViolations([
    ...violationsOf("policy", policy, { minLength: 1, maxLength: LONGEST_PLAINTEXT, ...POLICY_CHARACTERS }),
    ...countViolationsOf("policyArns", policyArns.length, MOST_POLICY_ARNS),
    ...policyArns.flatMap((arn) => violationsOf("policyArns.member.arn", arn, { minLength: 20, maxLength: 2048 })),
    ...countViolationsOf("tags", tags.length, MOST_TAGS),
    ...tags.flatMap(([key, value]) => [
      ...violationsOf("tags.member.key", key, { minLength: 1, maxLength: 128, ...TAG_CHARACTERS }),
      ...violationsOf("tags.member.value", value, { maxLength: 256, ...TAG_CHARACTERS }),
    ]),
    ...countViolationsOf("transitiveTagKeys", transitiveKeys.length, MOST_TAGS),
  ]);
  if (policy !== undefined) checkPolicy(policy);
  for (const arn of policyArns) checkPolicyArn(arn, role);
  if ((policy ?? "").length + policyArns.join("").length > LONGEST_PLAINTEXT) {
    throw new StsError("ValidationError", `The session policies exceed ${LONGEST_PLAINTEXT} characters in total`);
  }
  checkTagKeys(tags, transitiveKeys, inherited);
  const packedSize = packedSizeOf([policy ?? "", ...policyArns, ...tags.flat()].join(""));
  const transitive = tags.filter(([key]) => transitiveKeys.some((name) => name.toLowerCase() === key.toLowerCase()));
  return {
    policy,
    policyArns,
    tags: new Map([...inherited, ...tags]),
    transitiveTags: new Map([...inherited, ...transitive]),
    packedSize,
  };
}

const POLICY_CHARACTERS = {
  pattern: /^[\t\n\r\u0020-\u00FF]*$/,
  patternText: "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+",
};
const TAG_CHARACTERS = { pattern: /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u, patternText: "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+" };

function readPolicyArns(parameters: Parameters): string[] {
  return structureMembers(parameters, "PolicyArns", ["arn"]).map((member) => member["arn"]!);
}

function readTags(parameters: Parameters): [key: string, value: string][] {
  return structureMembers(parameters, "Tags", ["Key", "Value"]).map((member) => {
    const [key, value] = [member["Key"], member["Value"]];
    if (key !== undefined && value !== undefined) return [key, value];
    const missing = key === undefined ? "key" : "value";
    throw validationError(violationsOf(`tags.member.${missing}`, undefined, { required: true }));
  });
}

function checkPolicy(policy: string): void {
  const document = parseJson(policy);
  if (typeof document !== "object" || document === null) {
    throw new StsError("MalformedPolicyDocument", "This policy contains invalid Json");
  }
  if (!("Statement" in document)) throw new StsError("MalformedPolicyDocument", "Missing required field Statement");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Managed policies are AWS's own or of the role's account. */
function checkPolicyArn(arn: string, role: RoleName): void {
  const owner = /^arn:aws[a-z-]*:iam::(aws|\d{12}):policy\/[!-~]+$/.exec(arn)?.[1];
  if (owner !== "aws" && owner !== role.accountId) throw new StsError("ValidationError", `ARN ${arn} is not valid.`);
}

/** Keys differ in more than case, and an inherited one cannot be given again. */
function checkTagKeys(
  tags: readonly (readonly [string, string])[],
  transitiveKeys: readonly string[],
  inherited: ReadonlyMap<string, string>,
): void {
  const keys = tags.map(([key]) => key.toLowerCase());
  if (new Set(keys).size < keys.length) {
    throw new StsError(
      "InvalidParameterValue",
      "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    );
  }
  for (const key of inherited.keys()) {
    if (keys.includes(key.toLowerCase())) {
      throw new StsError(
        "InvalidParameterValue",
        "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
      );
    }
  }
  for (const name of transitiveKeys) {
    if (!keys.includes(name.toLowerCase())) {
      throw new StsError(
        "InvalidParameterValue",
        "The specified transitive tag key must be included in the requested tags.",
      );
    }
  }
}

function packedSizeOf(text: string): number | undefined {
  if (text === "") return undefined;
  const percent = Math.ceil((deflateRawSync(text).length / PACKED_BYTES) * 100);
  if (percent <= 100) return percent;
  throw new StsError("PackedPolicyTooLarge", `Packed size of session tags consumes ${percent}% of allotted space.`);
}
