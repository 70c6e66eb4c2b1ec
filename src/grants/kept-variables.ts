// What of a requester's environment may lie on the disk with a grant, so that the grant works after a restart of the
// daemon: what selects source credentials, and never a secret. What is not known here is not kept.
import { type Environment, hasTrait, isWayVariable } from "../environment.ts";
import { namesDirectory } from "./names.ts";

/** An environment, divided into what may lie on the disk and what is forgotten. */
interface SplitEnvironment {
  readonly kept: Readonly<Record<string, string>>;
  /** Something that selects source credentials is not kept: without it others would be found, which must not be used. */
  readonly hadKeys: boolean;
}

const isKept = ([name, value]: readonly [string, string]) => mayBeKept(name, value) && !namesDirectory(value);
const isSelection = (name: string) => hasTrait(name, "secret") || hasTrait(name, "disk") || isUrlName(name);

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
  return isUrlName(name) ? isPublicUrl(value) : hasTrait(name, "disk");
}

function isUrlName(name: string): boolean {
  return hasTrait(name, "url") || /^AWS_ENDPOINT_URL(?:_[A-Z0-9_]+)?$/.test(name);
}

/** Without a user, a password or a query. */
function isPublicUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && [url.username, url.password, url.search, url.hash].every((part) => part === "");
}
