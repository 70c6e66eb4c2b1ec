// The environment of a program whose SDKs ask the relay, and nobody else.
import { regionVariables, withoutRivals } from "../../environment.ts";
import type { Endpoint } from "./server.ts";

/**
 * No file. In most SDKs a config file's profile comes before the container endpoint, and so would a mounted one whose
 * `credential_process` needs a shell that is not there. Empty where it exists, and no regular file for those who ask.
 */
const NO_FILE = "/dev/null";

/** The variables that tell an SDK of the endpoint. */
export function endpointVariables({ url, token }: Endpoint): Record<string, string> {
  return { AWS_CONTAINER_CREDENTIALS_FULL_URI: url, AWS_CONTAINER_AUTHORIZATION_TOKEN: token };
}

/** What is inherited, without what would win over the endpoint, and without what would be asked where it refuses. */
export function relayedEnvironment(
  environment: Readonly<Record<string, string>>,
  endpoint: Endpoint,
  region: string | undefined,
): Record<string, string> {
  return {
    ...withoutRivals(environment),
    ...endpointVariables(endpoint),
    ...regionVariables(environment, region),
    AWS_CONFIG_FILE: NO_FILE,
    AWS_SHARED_CREDENTIALS_FILE: NO_FILE,
    AWS_EC2_METADATA_DISABLED: "true",
  };
}
