// What has an end of its own, such as a grant: nothing is issued past it. Times are milliseconds on AWS's clock.
import type { Config, StoredConfig } from "../../config/config.ts";
import { KeyholeError } from "../../errors.ts";
import { SHORTEST_DURATION } from "../../grants/scope.ts";

/** Seconds: AssumeRole's own default. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
export const DEFAULT_DURATION = 3_600;

/** Seconds for the way to STS, whose clock starts when the call arrives. */
const MARGIN = 10;

/**
 * The config with a duration that ends in time.
 *
 * @throws KeyholeError `expired` where STS issues nothing that short.
 */
export function boundConfig({ config, until }: Pick<StoredConfig, "config" | "until">, now: number): Config {
  if (until === undefined) return config;
  const left = Math.floor((until - now) / 1000) - MARGIN;
  if (left < SHORTEST_DURATION) throw expired();
  const asked = config.AssumeRole.DurationSeconds ?? DEFAULT_DURATION;
  if (asked <= left) return config;
  return { ...config, AssumeRole: { ...config.AssumeRole, DurationSeconds: left } };
}

/** @throws KeyholeError `expired` for credentials that outlive the end, however that came: they are thrown away. */
export function refuseOverrun({ until }: Pick<StoredConfig, "until">, expiresAt: number): void {
  if (until !== undefined && expiresAt > until) throw expired();
}

function expired(): KeyholeError {
  return new KeyholeError("expired", "too little is left for another session: STS issues none under 15 minutes");
}
