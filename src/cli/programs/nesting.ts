// What keyhole puts into the environment of `exec` and `shell`, and what there was without it. Inside, a config is
// assumed from what the outer shell selected, never from what keyhole gave. Only names are carried in: keys that the
// outer shell had stay with the daemon, in the session that they made.
import {
  absoluteValue,
  definedVariables,
  type Environment,
  KEYS_OF_SESSION,
  regionOf,
  regionVariables,
  SHELL_SESSION,
  SOURCE_PREFIX,
  withoutRivals,
} from "../../environment.ts";
import { mayBeKept } from "../../grants/kept-variables.ts";
import { directoryOf } from "../../paths.ts";

/** The two that name files. */
const FILES = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] as const;

/** Each of which is a selection of its own where it is set inside. */
const SELECTORS = [
  "AWS_ACCESS_KEY_ID",
  "AWS_PROFILE",
  "AWS_DEFAULT_PROFILE",
  "AWS_ROLE_ARN",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
] as const;

const REMEMBERED = [...FILES, ...SELECTORS, "AWS_ROLE_SESSION_NAME", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] as const;

/** What keyhole gave the program: the id of a key, or the absolute path of a config file. */
const GIVEN = `${SOURCE_PREFIX}GIVEN`;
/** The region, where keyhole gave one. */
const GIVEN_REGION = `${SOURCE_PREFIX}REGION`;

/** AWS_PROFILE, where keyhole gave one. */
const GIVEN_PROFILE = `${SOURCE_PREFIX}PROFILE`;

/** What a program is given. */
export interface Gift {
  /** The name of the session that it is of. */
  readonly session: string;
  /** What `-n` may mean inside where nothing is said; undefined where no name in this environment is that config. */
  readonly config: string | undefined;
  /** What the config or its profile names. */
  readonly region: string | undefined;
  /** The variables themselves: three keys, or two files. */
  readonly variables: Readonly<Record<string, string>>;
  /** Of a shell, where people type more commands; undefined for a program. */
  readonly shell: ShellGift | undefined;
}

export interface ShellGift {
  /** The profile of that config in the AWS config file that it is given. */
  readonly profile: string;
  /** Settings that an option of the outer command line named. */
  readonly settings: Readonly<Record<string, string>>;
}

/** The environment of a program that is given credentials: without what would win over them. */
export function environmentInside(
  environment: Environment,
  { session, config, region, variables, shell }: Gift,
  cwd: () => string,
): Record<string, string> {
  const outer = environmentOutside(environment);
  const given = variables["AWS_CONFIG_FILE"] ?? variables["AWS_ACCESS_KEY_ID"] ?? "";
  const remembered = REMEMBERED.flatMap((name) => {
    const value = outer[name];
    if (!value || !(name === "AWS_ACCESS_KEY_ID" || mayBeKept(name, value))) return [];
    // What stays as it is need not outlive a `cd`; what is put back, must.
    const isLeft = isFile(name) && !(name in variables);
    return [[SOURCE_PREFIX + name, isLeft ? value : absoluteValue(name, value, cwd)] as const];
  });
  return {
    ...withoutRivals(outer),
    ...(config !== undefined &&
      (shell !== undefined || environment["KEYHOLE_CONFIG"] === config) && { KEYHOLE_CONFIG: config }),
    ...Object.fromEntries(remembered),
    [KEYS_OF_SESSION]: outer[KEYS_OF_SESSION] ?? session,
    [GIVEN]: given,
    ...(regionOf(outer) === undefined && region !== undefined && { [GIVEN_REGION]: region }),
    ...regionVariables(outer, region),
    ...variables,
    ...(shell !== undefined && {
      ...shell.settings,
      [SHELL_SESSION]: session,
      AWS_PROFILE: shell.profile,
      [GIVEN_PROFILE]: shell.profile,
    }),
  };
}

/** The config of the shell that this is the inside of, if it is. */
export function shellConfigOf(environment: Environment): string | undefined {
  return environment[SHELL_SESSION] && environment["KEYHOLE_CONFIG"];
}

/**
 * An environment as it is outside of keyhole's programs. A variable that was changed inside counts as it is now: a key or
 * a profile that is set there is a selection of its own, and what was selected outside is forgotten. Keys of the outer
 * shell come back as the id alone, with the session that knows the secret (KEYS_OF_SESSION).
 */
export function environmentOutside(environment: Environment): Record<string, string> {
  const inner = definedVariables(environment);
  const outer = Object.fromEntries(Object.entries(inner).filter(([name]) => !name.startsWith(SOURCE_PREFIX)));
  const given = inner[GIVEN];
  if (!given) return outer;
  const remembered = (name: string) => inner[SOURCE_PREFIX + name];
  const isThere = dropGiven(outer, given);
  if (inner[SHELL_SESSION]) delete outer["KEYHOLE_CONFIG"];
  if (outer["AWS_PROFILE"] === inner[GIVEN_PROFILE]) delete outer["AWS_PROFILE"];
  dropRegion(outer, inner[GIVEN_REGION]);
  const files = FILES.filter((name) => outer[name] === undefined);
  const isSelection =
    !isThere ||
    SELECTORS.some((name) => outer[name]) ||
    FILES.some((name) => outer[name] !== undefined && outer[name] !== remembered(name));
  for (const name of isSelection ? files : REMEMBERED) {
    const value = remembered(name);
    if (value !== undefined) outer[name] = value;
  }
  if (!isSelection && remembered("AWS_ACCESS_KEY_ID") !== undefined) {
    outer[KEYS_OF_SESSION] = inner[KEYS_OF_SESSION] ?? "";
  }
  return outer;
}

/** Takes what keyhole gave out of an environment. Returns whether it was still there. */
function dropGiven(environment: Record<string, string>, given: string): boolean {
  if (!given.startsWith("/")) {
    if (environment["AWS_ACCESS_KEY_ID"] !== given) return false;
    for (const name of KEYS) delete environment[name];
    return true;
  }
  const isThere = environment["AWS_CONFIG_FILE"] === given;
  if (isThere) delete environment["AWS_CONFIG_FILE"];
  const credentials = `${directoryOf(given)}/credentials`;
  if (environment["AWS_SHARED_CREDENTIALS_FILE"] === credentials) delete environment["AWS_SHARED_CREDENTIALS_FILE"];
  return isThere;
}

const KEYS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"];

function dropRegion(environment: Record<string, string>, given: string | undefined): void {
  for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION"]) if (environment[name] === given) delete environment[name];
}

function isFile(name: string): boolean {
  return FILES.some((file) => file === name);
}
