// Environments of processes: which variables of a requester decide about source credentials, and which a daemon runs
// with. Shared by the client, which selects them, and the daemon, which resolves with them. Imports nothing.

/** Of a process, as `process.env` is. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** An environment as a child's: without the names that have no value. */
export function definedVariables(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/**
 * What is true of a variable:
 * - `secret`: its value is one, and stays in memory
 * - `disk`: its value may lie on the disk with a session or a grant; `url`: so may this one, without a password in it
 * - `source`: it says whose keys a requester means; itself it is no secret
 * - `path`: it names a file; `shared`: one for which the SDKs take a leading `~/` for the home directory, and not for a
 *   directory named `~`, as they do everywhere else
 * - `way`: it says by which certificates AWS is believed
 * - `portable`: it means the same on every machine: keys, regions and endpoints
 */
type Trait = "secret" | "disk" | "url" | "source" | "path" | "shared" | "way" | "portable";

/**
 * The variables that the SDK's credential chain, its endpoints and a `credential_process` obey; what is not here goes to
 * no daemon, and on no disk. Of endpoints STS's alone: who has a session of a sign-in may be any shell, and one shell's
 * AWS_ENDPOINT_URL_SSO would be shown its token.
 */
const VARIABLES: Readonly<Record<string, readonly Trait[]>> = {
  AWS_ACCESS_KEY_ID: ["secret", "source", "portable"],
  AWS_ACCOUNT_ID: ["portable"],
  AWS_CA_BUNDLE: ["path", "way"],
  AWS_CONFIG_FILE: ["disk", "source", "shared"],
  AWS_CONTAINER_AUTHORIZATION_TOKEN: ["secret"],
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ["disk", "path"],
  AWS_CONTAINER_CREDENTIALS_FULL_URI: ["url", "source"],
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: ["disk", "source"],
  AWS_CREDENTIAL_EXPIRATION: ["portable"],
  AWS_DEFAULT_PROFILE: ["disk", "source"],
  AWS_DEFAULT_REGION: ["disk", "portable"],
  AWS_EC2_METADATA_DISABLED: ["disk"],
  AWS_EC2_METADATA_SERVICE_ENDPOINT: ["url"],
  AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: ["disk"],
  AWS_EC2_METADATA_V1_DISABLED: ["disk"],
  AWS_ENDPOINT_URL: ["portable"],
  AWS_ENDPOINT_URL_STS: ["portable"],
  AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: ["disk", "portable"],
  AWS_LOGIN_CACHE_DIRECTORY: ["disk", "path"],
  AWS_PROFILE: ["disk", "source"],
  AWS_REGION: ["disk", "portable"],
  AWS_ROLE_ARN: ["disk", "source"],
  AWS_ROLE_SESSION_NAME: ["disk"],
  AWS_SECRET_ACCESS_KEY: ["secret", "portable"],
  AWS_SESSION_TOKEN: ["secret", "portable"],
  AWS_SHARED_CREDENTIALS_FILE: ["disk", "source", "shared"],
  AWS_STS_REGIONAL_ENDPOINTS: ["disk"],
  AWS_USE_DUALSTACK_ENDPOINT: ["disk", "portable"],
  AWS_USE_FIPS_ENDPOINT: ["disk", "portable"],
  AWS_WEB_IDENTITY_TOKEN_FILE: ["disk", "source", "path"],
  HOME: ["disk"],
  KEYHOLE_CONFIG_DIR: ["path"],
  KEYHOLE_HOME: ["disk", "path"],
  KEYHOLE_LOGGING_PATH: ["path"],
  KEYHOLE_SHARED_SOCKET: ["path"],
  KEYHOLE_SOCKET: ["disk", "path"],
  NODE_EXTRA_CA_CERTS: ["path", "way"],
  PATH: ["disk"],
  SSL_CERT_FILE: ["path", "way"],
};

export function hasTrait(name: string, trait: Trait): boolean {
  return Object.hasOwn(VARIABLES, name) && VARIABLES[name]!.includes(trait);
}

/** Of others. `KEYHOLE_` is among them because a `credential_process` may be keyhole, and must find the requester's daemon. */
const PREFIXES = ["AWS_CONTAINER_", "AWS_EC2_METADATA_", "KEYHOLE_"];

/** Proxies, in both spellings. */
const PROXY_NAME = /^(https?|all|no)_proxy$/i;

/**
 * How AWS is reached: proxies and certificates. They travel with what selects source credentials and select none:
 * two requesters that differ in them alone mean one session.
 */
export function isWayVariable(name: string): boolean {
  return isProxyVariable(name) || hasTrait(name, "way");
}

export function isProxyVariable(name: string): boolean {
  return PROXY_NAME.test(name);
}

/** A requester's environment over the daemon's. Of proxies the requester's count alone, where it has any. */
export function overBase(
  base: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>>,
): Record<string, string> {
  const isProxied = Object.keys(environment).some(isProxyVariable);
  const own = Object.entries(base).filter(([variable]) => !(isProxied && isProxyVariable(variable)));
  return { ...Object.fromEntries(own), ...environment };
}

/** Which STS is asked; each makes a session of its own where the config names none. */
export const ENDPOINT_VARIABLES = [
  "AWS_ENDPOINT_URL_STS",
  "AWS_ENDPOINT_URL",
  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
] as const;

/** What keyhole remembers, in the environment of a program that it gave credentials, of the environment outside. */
export const SOURCE_PREFIX = "KEYHOLE_SOURCE_";

/**
 * Stands for the keys of the shell outside: where AWS_ACCESS_KEY_ID comes without its secret, the session of this name, in
 * the daemon, has keys of that id.
 */
export const KEYS_OF_SESSION = `${SOURCE_PREFIX}SESSION`;

/** The name of the session that `keyhole shell` gave, for the prompt. */
export const SHELL_SESSION = `${SOURCE_PREFIX}SHELL`;

/**
 * What of an environment selects source credentials. Empty variables count as unset, as they do in the SDKs. Relative
 * paths are taken from `cwd`, which is asked for only then: the daemon works in another directory.
 * The result may hold secrets (AWS_SECRET_ACCESS_KEY): it goes over the control socket alone and into no log.
 */
export function selectSourceEnvironment(environment: Environment, cwd: () => string): Record<string, string> {
  const selected: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value && selects(name)) selected[name] = absoluteValue(name, value, cwd);
  }
  return selected;
}

/** As `selectSourceEnvironment`, for a daemon that has other files than this process. */
export function selectPortable(environment: Environment): Record<string, string> {
  const entries = Object.entries(environment);
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => Boolean(entry[1]) && hasTrait(entry[0], "portable")),
  );
}

/** The value of a variable as it means the same in every directory: of one that names a file, an absolute path. */
export function absoluteValue(name: string, value: string, cwd: () => string): string {
  if (value.startsWith("/")) return value;
  if (hasTrait(name, "shared")) return value.startsWith("~/") ? value : `${cwd()}/${value}`;
  return hasTrait(name, "path") ? `${cwd()}/${value}` : value;
}

function selects(name: string): boolean {
  // A default for people's command lines, whatever the source.
  if (name === "KEYHOLE_CONFIG") return false;
  return Object.hasOwn(VARIABLES, name) || isWayVariable(name) || PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** The variables that would win over a config file's `credential_process`, or over keys, in one SDK or another. */
export const rivals = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_CREDENTIAL_EXPIRATION",
  "AWS_ACCOUNT_ID",
  // Older names of the three.
  "AWS_ACCESS_KEY",
  "AWS_SECRET_KEY",
  "AWS_SECURITY_TOKEN",
  "AWS_CREDENTIAL_FILE",
  "AWS_PROFILE",
  "AWS_DEFAULT_PROFILE",
  "AWS_ROLE_ARN",
  "AWS_ROLE_SESSION_NAME",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
  // Read by no SDK; elhaz sets it.
  "AWS_CREDENTIAL_PROCESS",
] as const;

/**
 * An environment without what would win over the credentials that a child is given. KEYHOLE_CONFIG is one: a `keyhole
 * export` inside would give another config.
 */
export function withoutRivals(environment: Readonly<Record<string, string>>): Record<string, string> {
  const inner: Record<string, string> = { ...environment };
  for (const variable of [...rivals, "KEYHOLE_CONFIG"]) delete inner[variable];
  return inner;
}

/** The region that an environment names. AWS_REGION first, as in the SDKs that know both. */
export function regionOf(environment: Environment): string | undefined {
  return environment["AWS_REGION"] || environment["AWS_DEFAULT_REGION"] || undefined;
}

/**
 * What tells the SDKs of a child a region: the caller's variables as they are, else what the config or its profile names.
 * A missing one of the two gets the other's value, because boto3 knows AWS_DEFAULT_REGION alone and other SDKs AWS_REGION.
 */
export function regionVariables(environment: Environment, region: string | undefined): Record<string, string> {
  const known = regionOf(environment) ?? region;
  if (known === undefined) return {};
  const { AWS_REGION, AWS_DEFAULT_REGION } = environment;
  return { AWS_REGION: AWS_REGION || known, AWS_DEFAULT_REGION: AWS_DEFAULT_REGION || known };
}

/** Marks everything the daemon spawns with the sessions that wait for it; loop.ts says how. */
export const CHAIN_VARIABLE = "KEYHOLE_CHAIN";

/** Language, desktop and network: what a daemon and everything it spawns gets. No AWS_*: those are each requester's. */
const BASE_NAMES: ReadonlySet<string> = new Set(
  (
    "HOME PATH USER LOGNAME LANG LC_ALL LC_CTYPE TZ TMPDIR XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS SSH_AUTH_SOCK " +
    "SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS"
  ).split(" "),
);

/**
 * The environment a daemon runs in. No AWS_* (each session has its requester's), nothing that the runtime
 * obeys (BUN_*, NODE_OPTIONS, NODE_TLS_REJECT_UNAUTHORIZED: src/DESIGN.md#what-bun-does), no chain marker of the process that
 * started it.
 */
export function selectDaemonEnvironment(environment: Environment): Record<string, string> {
  const selected: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    const wanted = BASE_NAMES.has(name) || isProxyVariable(name) || name.startsWith("KEYHOLE_");
    if (value !== undefined && wanted && name !== CHAIN_VARIABLE) selected[name] = value;
  }
  return selected;
}

/**
 * What a daemon's children get beside their requester's variables: the daemon's own environment without its settings. A
 * keyhole among them is the requester's, and must not take the daemon's socket for the one its requester means.
 */
export function selectBaseEnvironment(environment: Environment): Record<string, string> {
  const selected = Object.entries(selectDaemonEnvironment(environment));
  return Object.fromEntries(selected.filter(([name]) => !name.startsWith("KEYHOLE_")));
}
