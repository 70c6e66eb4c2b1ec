// What may be the name of a config: a word of the command line, a part of a file's path, and a part of the wire.
import { isErrorOf, KeyholeError } from "../errors.ts";

/** elhaz's rule in ASCII alone: no dot and no slash, so no way out of the directory of configs. */
const NAME = /^[\w-]{1,128}$/;

/** Whether a text may be the name of a config. */
export function isConfigName(text: string): boolean {
  return NAME.test(text);
}

/** @throws KeyholeError `usage`, without the name, which may be anything. */
export function checkConfigName(name: string): string {
  if (isConfigName(name)) return name;
  throw new KeyholeError("usage", "a config's name has 1 to 128 of a-z, A-Z, 0-9, - and _", "keyhole config list");
}

const ANY_MORE = " any more";

/** For a config that was used, and is gone: no profile of its name may take its place. */
export function configGone(name: string): KeyholeError {
  return new KeyholeError("no-such-config", `there is no config ${name}${ANY_MORE}`);
}

/** Whether that is what a daemon said. */
export function isConfigGone(error: unknown): boolean {
  return isErrorOf(error, "no-such-config") && error.message.endsWith(ANY_MORE);
}

const PROFILE = "aws:";

/** Stands where a config's name does, for a profile that is used without a config: `aws:NAME`. */
export function profileConfigName(profile: string): string {
  return PROFILE + profile.replaceAll(/[^\w+.-]+/gu, (text) => encodeURIComponent(text).replaceAll(/[!'()*~]/g, hex));
}

/** The same of a word of the command line. @throws KeyholeError `usage` */
export function checkProfileName(profile: string): string {
  const name = profileConfigName(profile);
  if (profileOf(name) !== undefined) return name;
  const what = profile === "" ? "--profile takes the name of a profile" : "the name of the profile is too long";
  throw new KeyholeError("usage", what, "aws configure list-profiles");
}

/** The profile that `profileConfigName` was given; undefined for what it gives for nothing. */
export function profileOf(name: string): string | undefined {
  if (!name.startsWith(PROFILE) || name.length > LONGEST_PROFILE) return undefined;
  const profile = decode(name.slice(PROFILE.length));
  return profile !== "" && profileConfigName(profile) === name ? profile : undefined;
}

/** Characters, as they are encoded: each of a name may become twelve. */
const LONGEST_PROFILE = 3072;

function hex(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** The name of a config, or of a profile in place of one. @throws KeyholeError `usage` */
export function checkSourceName(name: string): string {
  return profileOf(name) === undefined ? checkConfigName(name) : name;
}

// What a session is of, and the name that says so: in lists and logs, and on the wire wherever a session is meant. The
// name of the plain one, of the default directory and with no STS endpoint from a variable, is its config's.

export interface SessionIdentity {
  readonly config: string;
  /**
   * Absolute; undefined for the default one, `configs` in keyhole's home. Of a profile without a config its two files, as
   * `/config:/credentials`; undefined for those of ~/.aws.
   */
  readonly directory: string | undefined;
  /** The STS that a variable or a file of the requester's alone names; undefined where none does. */
  readonly endpoint: string | undefined;
}

/** `dev`, `dev (http://127.0.0.1:4566)`, `dev (/home/u/.elhaz/configs)`, `dev (/dir, http://…)`: one for each identity. */
export function formatSessionName({ config, directory, endpoint }: SessionIdentity): string {
  const parts = [directory, endpoint].flatMap((part) => part?.replaceAll(UNQUOTED, encodeURIComponent) ?? []);
  return parts.length === 0 ? config : `${config} (${parts.join(SEPARATOR)})`;
}

/** What `formatSessionName` was given; undefined for what it gives for nothing. */
export function parseSessionName(name: string): SessionIdentity | undefined {
  if (isSourceName(name)) return { config: name, directory: undefined, endpoint: undefined };
  const [, config = "", text = ""] = /^([\w+.%:-]+) \((.+)\)$/s.exec(name) ?? [];
  if (!isSourceName(config)) return undefined;
  const parts = text.split(SEPARATOR).map(decode);
  const directory = parts[0]?.startsWith("/") === true ? parts.shift() : undefined;
  const identity = { config, directory, endpoint: parts.shift() };
  return parts.length === 0 && formatSessionName(identity) === name ? identity : undefined;
}

/** Whether a text may be the name of a config, or stand for a profile in place of one. */
export function isSourceName(name: string): boolean {
  return isConfigName(name) || profileOf(name) !== undefined;
}

const SEPARATOR = ", ";
/** What would end a part, or what a terminal would obey. */
const UNQUOTED = /[%,\p{Cc}]/gu;

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
