// `Source: OTHER`: a config whose source credentials are those of another config, which may have one, too.
import { isErrorOf, KeyholeError } from "../errors.ts";
import { type Config, LONGEST_CHAINED, type StoredConfig } from "./config.ts";

/**
 * The configs that a config takes its credentials from, the nearest first.
 *
 * @param readAlone a config by itself
 * @throws KeyholeError `credential-loop`, `invalid-config` where one is not there, and what `readAlone` throws
 */
export function readSources(name: string, config: Config, readAlone: (name: string) => StoredConfig): StoredConfig[] {
  const found: StoredConfig[] = [];
  let [from, next] = [name, config.Source];
  while (next !== undefined) {
    const names = [name, ...found.map((each) => each.name)];
    const start = names.indexOf(next);
    if (start !== -1)
      throw new KeyholeError(
        "credential-loop",
        `the sources of configs form a loop: ${[...names.slice(start), next].join(" -> ")}`,
        editOf(from),
      );
    const source = readOne(from, next, readAlone);
    found.push(source);
    [from, next] = [next, source.config.Source];
  }
  refuseLong(name, config, found[0]?.config);
  return found;
}

/** The last of a config's sources, or the config itself: the one that a requester's profile may have a say in. */
export function lastSource(config: Config): Config {
  return config.sources?.at(-1)?.config ?? config;
}

/** The source credentials that stand in a config itself, in words; undefined where they are a profile's, or the requester's. */
export function ownSource({ STS, Session, WebIdentity }: Config): "keys of its own" | "a web identity" | undefined {
  if ((STS?.aws_access_key_id ?? Session?.aws_access_key_id) !== undefined) return "keys of its own";
  return WebIdentity === undefined ? undefined : "a web identity";
}

function readOne(from: string, name: string, readAlone: (name: string) => StoredConfig): StoredConfig {
  try {
    return readAlone(name);
  } catch (error) {
    // It is not the config that was asked for.
    if (!isErrorOf(error, "no-such-config")) throw error;
    throw new KeyholeError(
      "invalid-config",
      `the Source of config ${from} is ${name}, which is no config`,
      editOf(from),
    );
  }
}

/** STS would refuse each renewal. */
function refuseLong(name: string, { AssumeRole }: Config, source: Config | undefined): void {
  const seconds = AssumeRole?.DurationSeconds ?? 0;
  if (source?.AssumeRole === undefined || seconds <= LONGEST_CHAINED) return;
  throw new KeyholeError(
    "invalid-config",
    `AssumeRole.DurationSeconds of config ${name} must be at most ${LONGEST_CHAINED}: its Source is a role's session (role chaining)`,
    `${editOf(name)} --set AssumeRole.DurationSeconds=${LONGEST_CHAINED}`,
  );
}

export function editOf(name: string): string {
  return `keyhole config update -n ${name}`;
}
