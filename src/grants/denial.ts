// What ends credentials that are already out: keyhole cannot take them back, AWS can refuse what they ask for.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html
import { KeyholeError } from "../errors.ts";
import { quotePosix } from "../text/quoting.ts";
import type { Grant } from "./grant.ts";

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
 * `aws:userid` of a role session is the role's id and the session's name; the name is the grant's alone, so no other
 * user of the role is hit, and the statement needs no end.
 *
 * @throws KeyholeError `usage` for what is not the ARN of a role.
 */
export function denySession({ name, sessionName }: Pick<Grant, "name" | "sessionName">, roleArn: string): Denial {
  const policy = {
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Deny",
        Action: "*",
        Resource: "*",
        Condition: { StringLike: { "aws:userid": `*:${sessionName}` } },
      },
    ],
  };
  const options = {
    "--role-name": roleNameOf(roleArn),
    "--policy-name": `keyhole-deny-${name}`,
    "--policy-document": JSON.stringify(policy),
  };
  return {
    document: JSON.stringify(policy, undefined, 2),
    command: `aws iam put-role-policy ${Object.entries(options).flat().map(quotePosix).join(" ")}`,
    note: roleArn.includes(":role/aws-reserved/")
      ? "this role is managed by AWS and cannot be edited: attach the policy through IAM Identity Center, or wait until the credentials expire"
      : undefined,
  };
}

/** IAM's calls want the name without the path: `deploy` of `arn:aws:iam::123456789012:role/ci/deploy`. */
function roleNameOf(roleArn: string): string {
  const [, name] = /^arn:[^:]+:iam::[^:]*:role\/(?:.*\/)?([^/]+)$/.exec(roleArn) ?? [];
  if (name === undefined) throw new KeyholeError("usage", "the role's ARN has no name of a role");
  return name;
}
