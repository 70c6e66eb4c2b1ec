// A URL that signs a browser in to AWS's console with credentials of a role.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
import { KeyholeError } from "../../errors.ts";

/** Where a partition has its sign-in and its console. */
interface Places {
  readonly signIn: string;
  readonly console: string;
}

const PARTITIONS: Readonly<Record<string, Places>> = {
  aws: { signIn: "https://signin.aws.amazon.com/federation", console: "https://console.aws.amazon.com" },
  "aws-cn": { signIn: "https://signin.amazonaws.cn/federation", console: "https://console.amazonaws.cn" },
  "aws-us-gov": {
    signIn: "https://signin.amazonaws-us-gov.com/federation",
    console: "https://console.amazonaws-us-gov.com",
  },
};

/** By the names of their regions; as in botocore's partitions.json. */
const REGIONS: readonly (readonly [RegExp, string])[] = [
  [/^cn-/, "aws-cn"],
  [/^us-gov-/, "aws-us-gov"],
  [/^(?:us-iso|eu-isoe|us-isob|us-isof|eusc)/, "another"],
];

/** @param roleArn of the config; else the region decides. @throws KeyholeError `usage` for a partition without a known console */
export function placesOf(roleArn: string | undefined, region: string | undefined): Places {
  const partition = roleArn?.split(":")[1] ?? REGIONS.find(([pattern]) => pattern.test(region ?? ""))?.[1] ?? "aws";
  const places = PARTITIONS[partition];
  if (places !== undefined) return places;
  throw new KeyholeError(
    "usage",
    "the console of this partition is not known: aws, aws-cn and aws-us-gov are",
    "keyhole console --help",
  );
}

/** @throws KeyholeError `usage` for what the keys would be shown to on the way */
export function checkEndpoint(text: string): URL {
  const url = URL.parse(text);
  const isLocal = url?.hostname === "127.0.0.1" || url?.hostname === "localhost" || url?.hostname === "[::1]";
  if (url !== null && !url.search && (url.protocol === "https:" || (isLocal && url.protocol === "http:"))) return url;
  throw new KeyholeError("usage", "--endpoint must be a URL with https:// and no query", "keyhole console --help");
}

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/** The question for a sign-in token: a secret, as its answer. */
export function tokenUrl(endpoint: URL, { accessKeyId, secretAccessKey, sessionToken }: Keys): URL {
  const session = JSON.stringify({ sessionId: accessKeyId, sessionKey: secretAccessKey, sessionToken });
  return withQuery(endpoint, { Action: "getSigninToken", Session: session });
}

/** A secret: who opens it in the next 15 minutes is signed in. */
export function signInUrl(endpoint: URL, token: string, destination: URL): URL {
  return withQuery(endpoint, {
    Action: "login",
    Issuer: "keyhole",
    Destination: destination.href,
    SigninToken: token,
  });
}

export function destinationOf(places: Places, service: string, region: string | undefined): URL {
  if (!/^[a-z0-9-]{1,64}$/.test(service))
    throw new KeyholeError("usage", "--service must be the name of a service, like s3", "keyhole console --help");
  return withQuery(new URL(`${places.console}/${service}/home`), region === undefined ? {} : { region });
}

function withQuery(url: URL, parameters: Readonly<Record<string, string>>): URL {
  const copy = new URL(url);
  for (const [name, value] of Object.entries(parameters)) copy.searchParams.set(name, value);
  return copy;
}
