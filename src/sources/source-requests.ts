// What a request for credentials asks of the files of its requester, and how long that may take.
import type { Config } from "../config/config.ts";
import type { ResolvedSource } from "./given-keys.ts";
import { HELPER_PATIENCE } from "./helper.ts";
import { mfaPatience } from "./mfa.ts";
import type { AssumeRequest, RoleRequest } from "./source.ts";
import type { SourceRequest } from "./source-cache.ts";

/** Milliseconds that the source of a config may take, beside what AWS takes. */
export function sourcePatience(config: Config): number {
  const all = [config, ...(config.sources ?? []).map((source) => source.config)];
  return all.reduce((sum, each) => sum + helperPatience(each) + mfaPatience(each), 0);
}

function helperPatience({ Session, WebIdentity }: Config): number {
  const seconds = WebIdentity?.timeout ?? Session?.timeout;
  return seconds === undefined ? HELPER_PATIENCE : seconds * 1_000;
}

export function sourceRequest({
  name,
  config,
  environment,
  signal,
  ...told
}: RoleRequest & Partial<Told>): SourceRequest {
  return {
    surroundings: told.surroundings,
    asksSurroundings: told.asksSurroundings ?? false,
    timeout: helperPatience(config),
    webIdentity: config.WebIdentity,
    name,
    profile: config.Session?.profile_name,
    wants: "source",
    verify: config.STS?.verify,
    environment,
    signal,
  };
}

type Told = Pick<AssumeRequest, "surroundings" | "asksSurroundings">;

const KEYS = new Set(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]);

/** For how AWS is reached alone, which keys have no part in: requesters that differ in them ask once. */
export function wayRequest(request: RoleRequest, known: ResolvedSource | undefined): SourceRequest {
  const variables = Object.entries(request.environment).filter(([name]) => !KEYS.has(name));
  const environment = Object.fromEntries(variables);
  const wants = known?.description === "environment" ? "check" : "way";
  return { ...sourceRequest(request), surroundings: undefined, asksSurroundings: false, wants, environment };
}
