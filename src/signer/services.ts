// By what name SDKs and their files know a service's endpoint. Made by build/operations/make.ts.
import text from "./services.txt" with { type: "text" };

export interface Endpoint {
  /** Its key in a `services` section of ~/.aws/config. */
  readonly id: string;
  /** The first label of its hosts, as a rule; the path of its endpoint in a sandbox. */
  readonly prefix: string;
}

/** By botocore's name, which is the AWS CLI's command. Read when asked for: a daemon need not do so to start. */
export function readServices(): ReadonlyMap<string, Endpoint> {
  const services = JSON.parse(text) as Readonly<Record<string, readonly [string, string]>>;
  return new Map(Object.entries(services).map(([name, [id, prefix]]) => [name, { id, prefix }]));
}
