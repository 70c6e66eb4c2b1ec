// The command with which a person renews the sign-in behind a profile.
import { quotePosix } from "../quoting.ts";

type Profiles = ReadonlyMap<string, ReadonlyMap<string, string>>;

/**
 * `aws sso login --profile P` or `aws login --profile P`, where the profile, or the one it takes its credentials from
 * in the end, is signed in to by a person; undefined where it is not.
 */
export function loginCommand(profiles: Profiles, profile: string): string | undefined {
  const seen = new Set<string>();
  for (let name: string | undefined = profile; name !== undefined && !seen.has(name);) {
    seen.add(name);
    const settings = profiles.get(name);
    if (settings?.has("sso_session") || settings?.has("sso_start_url"))
      return `aws sso login --profile ${quotePosix(name)}`;
    if (settings?.has("login_session")) return `aws login --profile ${quotePosix(name)}`;
    name = settings?.get("source_profile");
  }
  return undefined;
}
