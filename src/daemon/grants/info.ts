// A grant as `grant list` and `grant show` have it: for whoever made it, on the control socket alone.
import type { ConfigReader } from "../../config/config.ts";
import { isSourceVariable } from "../../environment.ts";
import { configNameOf, type Grant, stateOf, termsOf } from "../../grants/grant.ts";
import type { GrantInfo, ResponseOf, SessionInfo } from "../../wire/messages.ts";
import { cut } from "../../text/cut.ts";
import { endpointOf, foreignEndpoint } from "../sessions/selection.ts";
import type { LiveGrant } from "./livegrant.ts";

/**
 * @param session of the grant, if it has one just now
 * @param now milliseconds since the epoch, on AWS's clock
 */
export function grantInfoOf(live: LiveGrant, session: SessionInfo | undefined, now: number): GrantInfo {
  const { grant, outstanding } = live;
  const lastError = session?.lastError ?? live.lastError?.message;
  return {
    ...termsOf(grant),
    state: stateOf(grant, now),
    directory: live.mount.path,
    createdAt: grant.createdAt,
    endsAt: grant.endsAt,
    revokedAt: grant.revokedAt,
    roleArn: session?.roleArn ?? live.roleArn,
    accessKeyId: outstanding?.accessKeyId,
    expiresAt: outstanding && Math.max(0, Math.floor(outstanding.expiresAt)),
    renewAt: session?.renewAt,
    packedPolicySize: outstanding?.packedPolicySize,
    sessionName: grant.sessionName,
    uses: grant.uses,
    refusals: live.refusals,
    connections: live.listener?.connections ?? 0,
    lastError: lastError && cut(lastError),
    notes: [...(session?.notes ?? []), ...notesOf(live)],
  };
}

/** The keys that a restart forgets. */
export function describeKeys({ keyId }: Pick<Grant, "keyId">): string {
  return keyId === undefined ? "keys in an environment" : `keys in an environment (${keyId})`;
}

function notesOf({ grant, environment, revision }: LiveGrant): string[] {
  const notes: string[] = [];
  if (grant.hadKeys && environment === undefined)
    notes.push(`its source credentials were ${describeKeys(grant)}, which are forgotten when the daemon ends`);
  if (grant.runner !== undefined) notes.push(`it ends with the keyhole run of pid ${grant.runner.pid}`);
  const endpoint = foreignEndpoint(grant.environment);
  if (endpoint !== undefined) notes.push(`it asks STS at ${endpoint}, which is not AWS's`);
  if (revision === undefined)
    notes.push("its definition could not be written: what was decided last ends with the daemon");
  return notes;
}

/** What a grant was made with, of what is kept. */
export function sourceOf(
  grant: Grant,
  { configs, configDir }: { readonly configs: ConfigReader; readonly configDir: string },
): ResponseOf<"GrantSource"> {
  const { environment, keyId } = grant;
  const variables = { ...environment, ...(keyId !== undefined && { AWS_ACCESS_KEY_ID: keyId }) };
  return {
    directory: grant.configDir ?? configDir,
    environment: Object.entries(variables)
      .filter(([name]) => isSourceVariable(name))
      .map(([name, value]) => ({ name, value })),
    endpoint: endpointOfGrant(grant, configs),
  };
}

function endpointOfGrant(grant: Grant, configs: ConfigReader): string | undefined {
  try {
    return endpointOf(configs.read(configNameOf(grant)).config, grant.environment);
  } catch {
    return undefined;
  }
}
