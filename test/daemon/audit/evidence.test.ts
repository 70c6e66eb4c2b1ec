import { expect, test } from "bun:test";
import type { AuditEvent } from "../../../src/audit/line.ts";
import { evidenceOf, recordIssues } from "../../../src/daemon/audit/requests.ts";
import type { Session } from "../../../src/daemon/sessions/session.ts";
import { newWorld } from "../fakes/world.ts";

async function issueOfDev() {
  const world = newWorld();
  await world.add("dev");
  return world.vend("dev");
}

test("an issue is described by what CloudTrail has of it, and by no secret", async () => {
  const issue = await issueOfDev();
  const evidence = evidenceOf(issue);
  expect(evidence).toEqual({
    config: "dev",
    roleArn: "arn:aws:iam::111122223333:role/dev",
    sessionName: "test",
    accessKeyId: "ASIA-dev-1",
    expiresAt: issue.expiresAt,
  });
  expect(JSON.stringify(evidence)).not.toMatch(/secret|token/);
});

test("an STS that tells no role id still gives the session's name away, in the ARN", async () => {
  const issue = await issueOfDev();
  const ceph = { ...issue, assumedRoleId: "", arn: "arn:aws:sts::111122223333:assumed-role/dev/by-arn" };
  expect(evidenceOf(ceph).sessionName).toBe("by-arn");
  expect(evidenceOf({ ...ceph, arn: "" }).sessionName).toBeUndefined();
});

test("each new issue is one line; an attempt that failed is none", async () => {
  const lines: AuditEvent[] = [];
  const settled = recordIssues((event) => void lines.push(event));
  const issue = await issueOfDev();
  settled({ issue: undefined } as Session);
  settled({ issue } as Session);
  settled({ issue } as Session);
  settled({ issue: { ...issue } } as Session);
  expect(lines.map(({ kind, transport, accessKeyId }) => ({ kind, transport, accessKeyId }))).toEqual([
    { kind: "issue", transport: "daemon", accessKeyId: "ASIA-dev-1" },
    { kind: "issue", transport: "daemon", accessKeyId: "ASIA-dev-1" },
  ]);
});
