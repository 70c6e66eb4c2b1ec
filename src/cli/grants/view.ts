// Grants as a person and as a script read them.
import { showOnOneLine } from "../../text/controls.ts";
import { formatRate } from "../../grants/rate.ts";
import { formatSpan } from "../../grants/spans.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import type { GrantSource } from "./grants.ts";
import { formatDuration, formatTable } from "../columns.ts";
import { formatInstant } from "../json.ts";

/** As a table with a heading. @param now on AWS's clock, as the times of grants are */
export function renderGrants(grants: readonly GrantInfo[], now: number): string {
  const rows = grants.map((grant) => [
    grant.name,
    grant.config,
    grant.state,
    grant.endsAt === undefined ? "-" : grant.endsAt <= now ? "ended" : formatDuration(grant.endsAt - now),
    grant.deliver,
    grant.maxUses === undefined ? String(grant.uses) : `${grant.uses} of ${grant.maxUses}`,
  ]);
  return formatTable([["GRANT", "CONFIG", "STATE", "ENDS IN", "DELIVER", "USES"], ...rows]);
}

/** Everything of one. @param source undefined where the daemon does not say */
export function renderGrant(grant: GrantInfo, source: GrantSource | undefined, now: number): string {
  const selection = Object.entries(source?.selection ?? {}).map(([name, value]) => `${name}=${value}`);

  const facts: (readonly [string, string | undefined])[] = [
    ["grant", grant.name],
    ["state", grant.state],
    ["config", grant.config],
    ["configs", source?.directory],
    ["source", source && (selection.join(" ") || "what there is without a variable")],
    ["endpoint", source?.endpoint],
    ["role", grant.roleArn],
    ["directory", grant.directory],
    ["seen at", grant.mountAt],
    ["deliver", grant.deliver],
    ["executable", grant.executable ? "in the directory" : undefined],
    ["session name", grant.sessionName],
    ["policy", grant.policy],
    ["policy arns", grant.policyArns.join(", ")],
    ["tags", grant.tags.map(({ key, value }) => `${key}=${value}`).join(", ")],
    ["source identity", grant.sourceIdentity],
    ["duration", grant.durationSeconds === undefined ? undefined : formatSpan(grant.durationSeconds)],
    ["packed policy size", grant.packedPolicySize === undefined ? undefined : `${grant.packedPolicySize} %`],
    ["created", formatInstant(grant.createdAt)],
    ["ends", grant.endsAt === undefined ? "never" : `${formatInstant(grant.endsAt)}${fromNow(grant.endsAt, now)}`],
    ["revoked", formatInstant(grant.revokedAt)],
    ["access key", grant.accessKeyId],
    ["expires", grant.expiresAt && `${formatInstant(grant.expiresAt)}${fromNow(grant.expiresAt, now)}`],
    ["renewal", grant.renewAt && `${formatInstant(grant.renewAt)}${fromNow(grant.renewAt, now)}`],
    ["allowed uids", grant.allowUids.join(", ") || "any"],
    ["allowed gids", grant.allowGids.join(", ") || "any"],
    ["rate", formatRate(grant.rate)],
    ["uses", grant.maxUses === undefined ? String(grant.uses) : `${grant.uses} of ${grant.maxUses}`],
    ["refusals", String(grant.refusals)],
    ["connections", String(grant.connections)],
    ["confirm", grant.confirm ? "each answer" : undefined],
  ].map(([fact, value]) => [String(fact), value === undefined ? undefined : String(value)] as const);
  const shown = facts.filter((fact): fact is readonly [string, string] => Boolean(fact[1]));
  const troubles = grant.notes.map((note) => `note: ${note}`);
  if (grant.lastError !== undefined) troubles.push(`last error: ${grant.lastError}`);
  return [formatTable(shown), ...troubles.map(showOnOneLine)].join("\n");
}

/** For scripts: instants in ISO 8601. */
export function grantToJson(grant: GrantInfo) {
  return {
    ...grant,
    createdAt: formatInstant(grant.createdAt),
    endsAt: formatInstant(grant.endsAt),
    revokedAt: formatInstant(grant.revokedAt),
    expiresAt: formatInstant(grant.expiresAt),
    renewAt: formatInstant(grant.renewAt),
    rate: formatRate(grant.rate),
    tags: Object.fromEntries(grant.tags.map(({ key, value }) => [key, value])),
  };
}

function fromNow(at: number, now: number): string {
  return at > now ? ` (in ${formatDuration(at - now)})` : "";
}
