// What of a requester's environment may lie on the disk with a grant, so that the grant works after a restart of the
// daemon: what selects source credentials, and never a secret. What is not known here is not kept.
import { type Environment, isWayVariable } from "../environment.ts";
import { namesDirectory } from "./names.ts";

const KEPT: ReadonlySet<string> = new Set([
  "AWS_CONFIG_FILE",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_DEFAULT_PROFILE",
  "AWS_DEFAULT_REGION",
  "AWS_EC2_METADATA_DISABLED",
  "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
  "AWS_EC2_METADATA_V1_DISABLED",
  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
  "AWS_LOGIN_CACHE_DIRECTORY",
  "AWS_PROFILE",
  "AWS_REGION",
  "AWS_ROLE_ARN",
  "AWS_ROLE_SESSION_NAME",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_STS_REGIONAL_ENDPOINTS",
  "AWS_USE_DUALSTACK_ENDPOINT",
  "AWS_USE_FIPS_ENDPOINT",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "HOME",
  // A credential_process of the requester's may be keyhole, and must find the same daemon.
  "KEYHOLE_HOME",
  "KEYHOLE_SOCKET",
  "PATH",
]);

/** Whose values are URLs, in which a password or a token may stand. */
const URLS: ReadonlySet<string> = new Set(["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"]);

/** What is kept in memory alone, and lost with the daemon. */
const SECRETS: ReadonlySet<string> = new Set([
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
]);

/** An environment, divided into what may lie on the disk and what is forgotten. */
export interface SplitEnvironment {
  readonly kept: Readonly<Record<string, string>>;
  /** Something that selects source credentials is not kept: without it others would be found, which must not be used. */
  readonly hadKeys: boolean;
}

const isKept = ([name, value]: readonly [string, string]) => mayBeKept(name, value) && !namesDirectory(value);
const isSelection = (name: string) => SECRETS.has(name) || KEPT.has(name) || isUrlName(name);

/** @param environment as `selectSourceEnvironment` gives it */
export function splitEnvironment(environment: Environment): SplitEnvironment {
  const entries = Object.entries(environment).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return {
    kept: Object.fromEntries(entries.filter(isKept)),
    hadKeys: entries.some((entry) => isSelection(entry[0]) && !isKept(entry)),
  };
}

/** Whether a variable may lie on the disk. */
export function mayBeKept(name: string, value: string): boolean {
  // A proxy is often written without a scheme, and then its password is part of what a URL parser calls the path.
  if (isWayVariable(name)) return !value.includes("@");
  return isUrlName(name) ? isPublicUrl(value) : KEPT.has(name);
}

function isUrlName(name: string): boolean {
  return URLS.has(name) || /^AWS_ENDPOINT_URL(?:_[A-Z0-9_]+)?$/.test(name);
}

/** Without a user, a password or a query. */
function isPublicUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && [url.username, url.password, url.search, url.hash].every((part) => part === "");
}
