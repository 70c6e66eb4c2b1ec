// Grants as a person and as a script read them.
import { formatRate, formatSpan } from "../../grants/formats.ts";
import { showOnOneLine } from "../../text/controls.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import { formatDuration, formatInstant, fitTable, formatSize, formatTable } from "../answers.ts";
import type { GrantSource } from "./grants.ts";

/** As a table with a heading. @param now on AWS's clock, as the times of grants are */
export function renderGrants(grants: readonly GrantInfo[], now: number, width: number | undefined): string {
  const rows = grants.map((grant) => [
    grant.name,
    grant.config,
    grant.state,
    grant.endsAt === undefined ? "-" : grant.endsAt <= now ? "ended" : formatDuration(grant.endsAt - now),
    grant.deliver,
    formatUses(grant),
    grant.executable === "none" ? "-" : formatWeight(grant.executableBytes),
  ]);
  return fitTable([["GRANT", "CONFIG", "STATE", "ENDS IN", "DELIVER", "USES", "WEIGHT"], ...rows], width, [6, 4, 5]);
}

/** What a line says, and how; undefined for what is shown in another way. Empty texts are left out. */
type Fact = readonly [label: string, text: (shown: ShownGrant) => string | undefined] | undefined;

interface ShownGrant {
  readonly grant: GrantInfo;
  /** Undefined where the daemon does not say. */
  readonly source: GrantSource | undefined;
  /** On AWS's clock. */
  readonly now: number;
}

/** In the order in which they are shown. A field of a grant that stands not here does not compile. */
const facts: Readonly<Record<keyof GrantInfo | "configs" | "source" | "endpoint", Fact>> = {
  name: ["grant", ({ grant }) => grant.name],
  state: ["state", ({ grant }) => grant.state],
  config: ["config", ({ grant }) => grant.config],
  roleArn: ["role", ({ grant }) => grant.roleArn],
  endsAt: ["ends", ({ grant, now }) => formatMoment(grant.endsAt, now) ?? "never"],
  expiresAt: ["expires", ({ grant, now }) => formatMoment(grant.expiresAt, now)],
  uses: ["uses", ({ grant }) => formatUses(grant)],
  refusals: ["refusals", ({ grant }) => String(grant.refusals)],
  configs: ["configs", ({ source }) => source?.directory],
  source: ["source", ({ source }) => source && describeSelection(source)],
  endpoint: ["endpoint", ({ source }) => source?.endpoint],
  directory: ["directory", ({ grant }) => grant.directory],
  mountAt: ["seen at", ({ grant }) => grant.mountAt],
  deliver: ["deliver", ({ grant }) => grant.deliver],
  executable: ["executable", ({ grant }) => describeExecutable(grant)],
  arch: undefined,
  executableBytes: undefined,
  sessionName: ["session name", ({ grant }) => grant.sessionName],
  policy: ["policy", ({ grant }) => grant.policy],
  policyArns: ["policy arns", ({ grant }) => grant.policyArns.join(", ")],
  tags: ["tags", ({ grant }) => grant.tags.map(({ key, value }) => `${key}=${value}`).join(", ")],
  sourceIdentity: ["source identity", ({ grant }) => grant.sourceIdentity],
  durationSeconds: [
    "duration",
    ({ grant: { durationSeconds } }) => (durationSeconds ? formatSpan(durationSeconds) : undefined),
  ],
  packedPolicySize: [
    "packed policy size",
    ({ grant }) => (grant.packedPolicySize === undefined ? undefined : `${grant.packedPolicySize} %`),
  ],
  createdAt: ["created", ({ grant }) => formatInstant(grant.createdAt)],
  revokedAt: ["revoked", ({ grant }) => formatInstant(grant.revokedAt)],
  accessKeyId: ["access key", ({ grant }) => grant.accessKeyId],
  renewAt: ["renewal", ({ grant, now }) => formatMoment(grant.renewAt, now)],
  allowUids: ["allowed uids", ({ grant }) => grant.allowUids.join(", ") || "any"],
  allowGids: ["allowed gids", ({ grant }) => grant.allowGids.join(", ") || "any"],
  rate: ["rate", ({ grant }) => formatRate(grant.rate)],
  maxUses: undefined,
  connections: ["connections", ({ grant }) => String(grant.connections)],
  confirm: ["confirm", ({ grant }) => (grant.confirm ? "each answer" : undefined)],
  sign: ["signs", ({ grant }) => grant.sign && describeSigning(grant.sign)],
  signed: ["requests", ({ grant }) => grant.signed.map(({ name, value }) => `${name} ${value}`).join(", ")],
  notes: undefined,
  lastError: undefined,
};

/** Everything of one. @param source undefined where the daemon does not say */
export function renderGrant(grant: GrantInfo, source: GrantSource | undefined, now: number): string {
  const shown = Object.values(facts).flatMap((fact) => {
    const text = fact?.[1]({ grant, source, now });
    return fact && text ? [[fact[0], text]] : [];
  });
  const troubles = grant.notes.map((note) => `note: ${note}`);
  if (grant.lastError !== undefined) troubles.push(`last error: ${grant.lastError}`);
  return [formatTable(shown), ...troubles.map(showOnOneLine)].join("\n");
}

function describeSigning({
  allow,
  deny,
  confirm,
  regions,
  resources,
  port,
  listen,
}: NonNullable<GrantInfo["sign"]>): string {
  const lists = { allow, deny, confirm, region: regions, resource: resources };
  const said = Object.entries(lists).flatMap(([name, list]) =>
    list.length === 0 ? [] : [`${name} ${list.join(" ")}`],
  );
  const allowed = allow.length === 0 ? ["all that the role may, but what hands out credentials"] : [];
  return [...allowed, ...said, `at 127.0.0.1:${port}${listen ? ", on this host too" : ""}`].join("; ");
}

function describeSelection({ selection }: GrantSource): string {
  const variables = Object.entries(selection).map(([name, value]) => `${name}=${value}`);
  return variables.join(" ") || "what there is without a variable";
}

/** What the full executable costs. */
export function describeWeight({ name, executableBytes }: GrantInfo): string {
  if (executableBytes === 0) return `the executable of ${name} shares the disk with what it was copied from`;
  return `the executable of ${name} takes ${formatWeight(executableBytes)} on the disk`;
}

function describeExecutable({ executable, arch, executableBytes }: GrantInfo): string | undefined {
  if (executable === "none") return undefined;
  return `${executable}${arch === undefined ? "" : ` for ${arch}`}, ${formatWeight(executableBytes)}`;
}

/** Bytes on the disk. */
function formatWeight(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : formatSize(bytes);
}

function formatUses({ uses, maxUses }: GrantInfo): string {
  return maxUses === undefined ? String(uses) : `${uses} of ${maxUses}`;
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

function formatMoment(at: number | undefined, now: number): string | undefined {
  if (at === undefined) return undefined;
  return `${formatInstant(at)}${at > now ? ` (in ${formatDuration(at - now)})` : ""}`;
}
