// The session policy that `--policy` names, a preset or a file: STS intersects it with what the role may do; a policy of a
// resource that names the session itself adds to it, unless it is denied here. And the policy that ends credentials which
// are already out: keyhole cannot take them back, AWS can refuse what they ask for.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html
import { isMapping } from "../config/mapping.ts";
import { codeOf, KeyholeError } from "../errors.ts";
import { quotePosix } from "../text/quoting.ts";
import { formatTime } from "./formats.ts";
import { type Grant, roleSessionOf } from "./grant.ts";

/** What a policy's name stands for: either or both. STS takes the union of them, so a preset is never split. */
export interface PolicyChoice {
  /** JSON without white space between its parts, which STS would count. */
  readonly policy: string | undefined;
  readonly policyArns: readonly string[];
}

/** For help texts and completions; `pin-ip` takes networks after a `=`. */
export const presetNames = ["read-only", "no-escalation", "pin-ip"] as const;

const PRESETS_HINT = "keyhole grant add --help";

/** Whether a policy is one of ours; else it is the path of a file. */
export function isPreset(nameOrPath: string): boolean {
  return presetNames.some((name) => name === nameOrPath) || nameOrPath.startsWith("pin-ip=");
}

/**
 * A preset wins over a file of its name; `./read-only` is the file.
 *
 * @param roleArn of the config's role; its partition decides which AWS-managed policies there are
 * @param readFile throws where it cannot; its error is not shown
 * @throws KeyholeError `usage` that says what is wrong, and never the value.
 */
export function resolvePolicy(nameOrPath: string, roleArn: string, readFile: (path: string) => string): PolicyChoice {
  if (nameOrPath === "read-only") return { policy: undefined, policyArns: [readOnlyArn(roleArn)] };
  if (nameOrPath === "no-escalation") return { policy: JSON.stringify(NO_ESCALATION), policyArns: [] };
  if (nameOrPath === "pin-ip" || nameOrPath.startsWith("pin-ip=")) {
    const networks = nameOrPath.slice("pin-ip=".length).split(",");
    return { policy: JSON.stringify(pinToNetworks(networks)), policyArns: [] };
  }
  return { policy: compactPolicy(readPolicy(nameOrPath, readFile)), policyArns: [] };
}

/** AWS's own list of read actions: as a session policy of our own it would be far above STS's 2,048 characters. */
function readOnlyArn(roleArn: string): string {
  const partition = roleArn.split(":")[1] || "aws";
  return `arn:${partition}:iam::aws:policy/ReadOnlyAccess`;
}

/**
 * Whatever the role may do, except to become another identity: to change or make identities and their permissions, to
 * assume roles, to hand a role to a service. Actions of IAM that AWS will add are not allowed either. It does not stop
 * one who may change code or data that another role already runs with (a function's code, a shell in a container).
 */
const NO_ESCALATION = {
  Version: "2012-10-17",
  Statement: [
    { Effect: "Allow", NotAction: "iam:*", Resource: "*" },
    { Effect: "Allow", Action: ["iam:Get*", "iam:List*", "iam:Simulate*", "iam:Generate*"], Resource: "*" },
    {
      // Denied besides, because a role's trust policy that names the session would allow it past the two above.
      Effect: "Deny",
      Action: [
        "iam:PassRole",
        "sts:Assume*",
        "sts:GetFederationToken",
        "sts:GetSessionToken",
        "sts:GetWebIdentityToken",
        "sts:GetDelegatedAccessToken",
        "organizations:*",
        "account:*",
        "sso:*",
        "sso-directory:*",
        "identitystore:*",
        "rolesanywhere:*",
      ],
      Resource: "*",
    },
  ],
};

/**
 * Useless from anywhere else. Services that act for the session (CloudFormation) call from addresses of their own. A
 * request through a VPC endpoint has no public address, and is denied.
 */
function pinToNetworks(networks: readonly string[]): object {
  if (networks.every(isNetwork))
    return {
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Action: "*", Resource: "*" },
        {
          Effect: "Deny",
          Action: "*",
          Resource: "*",
          Condition: {
            // True as well where the request has no such key.
            NotIpAddress: { "aws:SourceIp": networks },
            BoolIfExists: { "aws:ViaAWSService": "false" },
          },
        },
      ],
    };
  throw new KeyholeError("usage", "pin-ip wants networks, like pin-ip=203.0.113.0/24,2001:db8::/32", PRESETS_HINT);
}

/** An IPv4 or IPv6 address, with a prefix length or alone. */
function isNetwork(text: string): boolean {
  // Not imported: it costs 5 ms, which every grant would pay for.
  const { isIP } = require("node:net") as typeof import("node:net");
  const [address = "", length, ...rest] = text.split("/");
  const bits = { 4: 32, 6: 128 }[isIP(address)];
  if (bits === undefined || address.includes("%") || rest.length > 0) return false;
  return length === undefined || (/^(?:0|[1-9]\d{0,2})$/.test(length) && Number(length) <= bits);
}

function readPolicy(path: string, readFile: (path: string) => string): string {
  try {
    return readFile(path);
  } catch (error) {
    const reason = codeOf(error) ?? "unknown";
    throw new KeyholeError(
      "usage",
      `--policy is neither a preset (${presetNames.join(", ")}) nor a file that can be read (${reason})`,
      PRESETS_HINT,
    );
  }
}

/**
 * A policy without the white space between its parts. Everything else stays as it was written: STS is the judge of
 * keys that stand twice, and `\u00e9` is how to say what it does not take as a character.
 *
 * @throws KeyholeError `usage` for what is no JSON object.
 */
export function compactPolicy(text: string): string {
  const json = text.replace(/^\uFEFF/, "");
  try {
    if (isMapping(JSON.parse(json))) return json.replace(/("(?:[^"\\]|\\.)*")|\s+/g, "$1");
  } catch {
    // The parser's message quotes the text.
  }
  throw new KeyholeError("usage", "the policy is not a JSON object", "python3 -m json.tool POLICY.json");
}

/** For `grant revoke --print-iam`. */
export interface Denial {
  /** The policy, as JSON on several lines. */
  readonly document: string;
  /** One line for a shell that puts it on the role; takes effect within minutes. */
  readonly command: string;
  /** Why the command cannot work, if it cannot. */
  readonly note: string | undefined;
}

/**
 * `aws:userid` of a role session is the role's id and the session's name. The name is a grant's alone, so no other
 * user of the role is hit, and the statement needs no end; of a grant that hands an identity on it is the whole session,
 * its owner's tools among it. A user's sessions of GetSessionToken have one id with the user's keys, which have no token
 * and no time of issue: those keys stay good.
 *
 * @param arn of the role, or of the identity that is handed on
 * @param now milliseconds since the epoch
 * @throws KeyholeError `usage` for who is neither a role nor a user.
 */
export function denySession(
  { name, sessionName }: Pick<Grant, "name" | "sessionName">,
  arn: string,
  now: number,
): Denial {
  const user = nameIn(arn, "iam", "user");
  const condition =
    user === undefined
      ? { StringLike: { "aws:userid": `*:${sessionName}` } }
      : { DateLessThan: { "aws:TokenIssueTime": formatTime(Math.floor(now / 1000) * 1000) } };
  const policy = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Deny", Action: "*", Resource: "*", Condition: condition }],
  };
  const options = {
    ...(user === undefined ? { "--role-name": roleNameOf(arn) } : { "--user-name": user }),
    "--policy-name": `keyhole-deny-${name}`,
    "--policy-document": JSON.stringify(policy),
  };
  const action = user === undefined ? "put-role-policy" : "put-user-policy";
  return {
    document: JSON.stringify(policy, undefined, 2),
    command: `aws iam ${action} ${Object.entries(options).flat().map(quotePosix).join(" ")}`,
    note: /:role\/aws-reserved\/|:assumed-role\/AWSReservedSSO_/.test(arn)
      ? "this role is managed by AWS and cannot be edited: attach the policy through IAM Identity Center, or wait until the credentials expire"
      : undefined,
  };
}

/** IAM's calls want the name without the path: `deploy` of `arn:aws:iam::123456789012:role/ci/deploy`. */
function roleNameOf(arn: string): string {
  const name = nameIn(roleSessionOf(arn)?.role ?? "", "sts", "assumed-role") ?? nameIn(arn, "iam", "role");
  if (name === undefined) throw new KeyholeError("usage", "the role's ARN has no name of a role");
  return name;
}

function nameIn(arn: string, service: string, kind: string): string | undefined {
  return new RegExp(`^arn:[^:]+:${service}::[^:]*:${kind}/(?:.*/)?([^/]+)$`).exec(arn)?.[1];
}
