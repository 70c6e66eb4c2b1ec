// By what name SDKs and their files know a service's endpoint. Made by build/operations/make.ts.
import text from "./services.txt" with { type: "text" };

export interface Endpoint {
  /** Its key in a `services` section of ~/.aws/config. */
  readonly id: string;
  /** The first label of its hosts, as a rule; the path of its endpoint in a sandbox. */
  readonly prefix: string;
}

/** By botocore's name, which is the AWS CLI's command. */
export const services: Readonly<Record<string, Endpoint>> = Object.fromEntries(
  Object.entries(JSON.parse(text) as Readonly<Record<string, readonly [string, string]>>).map(
    ([name, [id, prefix]]) => [name, { id, prefix }],
  ),
);
