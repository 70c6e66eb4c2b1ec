// Keys of the shell outside of `exec` and `shell`. Inside there is their id alone: the secret stays here, with the session
// that was made with it.
import { KEYS_OF_SESSION } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import type { SourceEnvironment } from "../../sources/source.ts";

/**
 * What a requester selects, with the secret of keys that it names by their id.
 *
 * @param config that it asks for
 * @param environmentOf what a session was made with
 * @throws KeyholeError `no-source-credentials` where no session of that name has such keys: without them others would be found
 */
export function completeKeys(
  environment: SourceEnvironment,
  config: string,
  environmentOf: (session: string) => SourceEnvironment | undefined,
): SourceEnvironment {
  const { [KEYS_OF_SESSION]: session, ...own } = environment;
  const { AWS_ACCESS_KEY_ID: id } = own;
  if (session === undefined || id === undefined || own["AWS_SECRET_ACCESS_KEY"] !== undefined) return own;
  const known = environmentOf(session);
  const secret = known?.["AWS_SECRET_ACCESS_KEY"];
  if (known?.["AWS_ACCESS_KEY_ID"] !== id || secret === undefined) {
    throw new KeyholeError(
      "no-source-credentials",
      `the source credentials are keys of the shell outside, ${id}, which this daemon does not have (any more)`,
      `leave this shell, and there: keyhole daemon add -n ${config}`,
    );
  }
  const token = known["AWS_SESSION_TOKEN"];
  return { ...own, AWS_SECRET_ACCESS_KEY: secret, ...(token !== undefined && { AWS_SESSION_TOKEN: token }) };
}
