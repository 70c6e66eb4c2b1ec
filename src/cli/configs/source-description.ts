// Where a config's credentials come from, as far as files and the environment tell: nothing is asked, and nothing is run.
import type { Config } from "../../config/config.ts";
import { readKnownSource } from "../../sources/given-keys.ts";
import { describePlan, planSource, profileRefusal, type Sources } from "../../sources/resolve/profile-plan.ts";
import { namedProfile } from "../../sources/resolve/profile.ts";
import { describeSts, planWay, targetOf } from "../../sources/sts/target.ts";

/**
 * The step that gives the source credentials, and the STS that is asked with them, if one is: `profile p (SSO), STS of
 * eu-west-1`.
 *
 * @throws KeyholeError why there are none
 */
export function describeConfigSource(config: Config, sources: Sources): string {
  const source = sourceOf(config, sources);
  if (config.AssumeRole === undefined && config.GetSessionToken === undefined) return source;
  const way = planWay(sources.shared, sources.environment, namedProfile(config, sources.environment));
  return `${source}, ${describeSts(targetOf(config, way))}`;
}

function sourceOf(config: Config, sources: Sources): string {
  const { Source: other, WebIdentity: token } = config;
  if (other !== undefined) return `config ${other}`;
  if (token !== undefined) return `web identity of ${token.token_file ?? "WebIdentity.command"}`;
  const known = readKnownSource(config, sources.environment);
  if (known !== undefined) return known.description;
  const profile = namedProfile(config, sources.environment);
  const refusal = profileRefusal(sources, profile);
  if (refusal !== undefined) throw refusal;
  return describePlan(planSource(sources, profile), profile);
}
