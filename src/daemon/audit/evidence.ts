// What the audit says of credentials: enough to find them in CloudTrail, and no secret.
import type { AuditEvent, RecordAudit } from "../../audit/event.ts";
import type { Issue } from "../sessions/issue.ts";
import type { Session } from "../sessions/session.ts";

type Evidence = Pick<AuditEvent, "config" | "roleArn" | "sessionName" | "accessKeyId" | "expiresAt">;

export function evidenceOf(issue: Issue): Evidence {
  const { config, roleArn, credentials, expiresAt } = issue;
  return { config, roleArn, sessionName: sessionNameOf(issue), accessKeyId: credentials.accessKeyId, expiresAt };
}

/** Behind the `AROA…:`; where the STS tells none (Ceph RGW), behind the last slash of the assumed role's ARN. */
function sessionNameOf({ assumedRoleId, arn }: Issue): string | undefined {
  const [, name] = assumedRoleId.split(":", 2);
  return name || arn.split("/")[2];
}

/**
 * For KeeperDependencies.settled: one line for every new issue, none for an attempt that failed.
 *
 * @returns takes the grant that the session is of, and that one's config
 */
export function recordIssues(
  record: RecordAudit,
): (session: Session, of?: Pick<AuditEvent, "grant" | "config">) => void {
  const recorded = new WeakSet<Issue>();
  return ({ issue }, of) => {
    if (issue === undefined || recorded.has(issue)) return;
    recorded.add(issue);
    record({ kind: "issue", transport: "daemon", outcome: "ok", ...evidenceOf(issue), ...of });
  };
}
