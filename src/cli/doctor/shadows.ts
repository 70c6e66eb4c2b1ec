// What an SDK in this sandbox would take in place of the grant's credentials: names, never values.
import type { Environment } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { quotePosix } from "../../text/quoting.ts";
import { parseIni } from "../../sources/resolve/ini.ts";
import { isSamePlace, lookBehind } from "./files.ts";
import { ok, problem, type Verdict, warning } from "./finding.ts";
import { type InsideMachine, relayOf } from "./machines.ts";

type Machine = InsideMachine;

/** The names of keys in an environment, today's and those before. */
const KEYS = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_ACCESS_KEY",
  "AWS_SECRET_KEY",
  "AWS_SECURITY_TOKEN",
] as const;

export function checkKeys({ environment }: Machine): readonly Verdict[] {
  const set = KEYS.filter((name) => environment[name]);
  if (set.length === 0) return [ok("no keys in the environment")];
  return [problem(`${set.join(", ")} ${wins(set)} over the grant`, unset(set))];
}

/** Without keys no SDK looks at it; with them it says when they end. */
export function checkExpiration({ environment }: Machine): readonly Verdict[] {
  const name = "AWS_CREDENTIAL_EXPIRATION";
  return environment[name] ? [warning(`${name} is left of other credentials`, unset([name]))] : [];
}

/** botocore takes an empty one for the name of a profile. */
export function checkProfile({ environment }: Machine): readonly Verdict[] {
  const set = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].filter((name) => (environment[name] ?? "default") !== "default");
  if (set.length === 0) return [ok("the default profile is used")];
  const fix = `export ${set.map((name) => `${name}=default`).join(" ")}`;
  return [problem(`${set.join(", ")} ${set.length === 1 ? "names" : "name"} a profile that is not the grant's`, fix)];
}

/** IRSA. The role's names alone are used by no SDK. */
export function checkWebIdentity({ environment }: Machine): readonly Verdict[] {
  const file = "AWS_WEB_IDENTITY_TOKEN_FILE";
  if (!environment[file]) return [ok("no web identity (IRSA)")];
  const set = ["AWS_ROLE_ARN", file].filter((name) => environment[name]);
  return [problem(`${set.join(", ")} (IRSA) ${wins(set)} over the grant`, unset(set))];
}

/** A grant that signs is found by the endpoints of its file alone. */
export function checkSigning({ grant, environment }: Machine): readonly Verdict[] {
  if (grant?.deliver !== "sign") return [];
  const set = Object.keys(environment).filter((name) => /^AWS_ENDPOINT_URL(?:_|$)/.test(name) && environment[name]);
  const ignoring = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
  if (environment[ignoring]?.toLowerCase() === "true") set.push(ignoring);
  if (set.length === 0) return [ok("requests go to the grant's own endpoints")];
  return [problem(`${set.join(", ")} leads requests past the grant, which signs them`, unset(set))];
}

/** The endpoints of Amazon ECS and of EKS Pod Identity; a relay has another. */
export function checkContainer(machine: Machine): readonly Verdict[] {
  const { environment } = machine;
  const names = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
  const set = names.filter((name) => environment[name]);
  const foreign = relayOf(environment) === undefined ? set : set.filter((name) => name === names[0]);
  if (foreign.length === 0) return [ok("no container's credentials (ECS, EKS)")];
  const message = `${foreign.join(", ")} (ECS, EKS) leads to other credentials`;
  return [(usesConfig(machine) ? warning : problem)(message, unset(foreign))];
}

/** A bearer token wins over credentials for this one service. */
export function checkBearerToken({ environment }: Machine): readonly Verdict[] {
  const name = "AWS_BEARER_TOKEN_BEDROCK";
  if (!environment[name]) return [ok("no bearer token for Bedrock")];
  return [problem(`${name} wins over the grant for Bedrock`, unset([name]))];
}

export function checkConfigFile(machine: Machine): Promise<readonly Verdict[]> {
  return checkFile(machine, "AWS_CONFIG_FILE", "config", "aws-config");
}

export function checkCredentialsFile(machine: Machine): Promise<readonly Verdict[]> {
  return checkFile(machine, "AWS_SHARED_CREDENTIALS_FILE", "credentials", "credentials");
}

/**
 * Which of a kind of file the SDKs read: the grant's, another, or the one that was baked into the image. A credentials
 * file that is empty, or not there, takes nothing's place; a config file that is not the grant's does.
 */
async function checkFile(machine: Machine, variable: string, usual: string, name: string): Promise<readonly Verdict[]> {
  const { grant, environment } = machine;
  const used = usedFile(machine, variable, usual);
  const isNothing = used === undefined || !(await hasSettings(used, machine));
  if (isRelayed(environment)) {
    if (isNothing) return [ok("none; a relay is used")];
    return [problem(`${used} comes before the relay`, `export ${variable}=/dev/null`)];
  }
  if (grant === undefined) return isNothing ? [] : [problem(`${used} is what the SDKs use`, `rm ${quotePosix(used)}`)];
  const own = `${grant.path}/${name}`;
  if (used !== undefined && isSamePlace(used, own)) return [ok(`${variable} is the grant's`)];
  if (name === "credentials" && isNothing) return [ok("no credentials file that holds anything")];
  const fix = `export ${variable}=${quotePosix(own)}`;
  if (!isNothing) return [problem(`${used} is used in the place of the grant's`, fix)];
  return [problem(`${variable} does not lead to the grant's`, fix)];
}

function usedFile({ environment, home }: Machine, variable: string, usual: string): string | undefined {
  const named = environment[variable];
  const path = named || (home && `${home}/.aws/${usual}`);
  return path?.startsWith("~/") && home !== undefined ? home + path.slice(1) : path || undefined;
}

/** A file that is not read here, such as a pipe, may still have a profile for an SDK. */
async function hasSettings(path: string, { readForeign }: Machine): Promise<boolean> {
  const [text = ""] = await readForeign([path]);
  return text instanceof KeyholeError || [...parseIni(text).values()].some((section) => section.size > 0);
}

/** A relay's program has no files, so that nothing comes before the endpoint. */
function isRelayed(environment: Environment): boolean {
  return relayOf(environment) !== undefined;
}

/** Whether the grant's profile is what SDKs meet before the container's endpoint and the instance's. */
function usesConfig(machine: Machine): boolean {
  const used = usedFile(machine, "AWS_CONFIG_FILE", "config");
  return machine.grant !== undefined && used !== undefined && isSamePlace(used, `${machine.grant.path}/aws-config`);
}

/** boto 2's files, which botocore still reads, after the profile. */
export async function checkBoto({ environment, home, places, readForeign }: Machine): Promise<readonly Verdict[]> {
  const own = home === undefined ? [] : [`${home}/.boto`];
  const paths = [environment["BOTO_CONFIG"] ?? "", places.botoConfig, ...own, environment["AWS_CREDENTIAL_FILE"] ?? ""];
  const texts = await readForeign(paths);
  const wrong = paths.filter((_, index) => /aws_?(access_?key|secret)/i.test(String(texts[index])));
  if (wrong.length === 0) return [ok("no keys in files of boto 2")];
  return wrong.map((path) => warning(`${path} holds keys, which boto takes where it gets no others`, removal(path)));
}

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html */
const METADATA = { host: "169.254.169.254", port: 80 };

/** A credential chain that finds nothing ends here: with it, as another identity. */
export async function checkMetadata({ environment, probes }: Machine): Promise<readonly Verdict[]> {
  const name = "AWS_EC2_METADATA_DISABLED";
  if (environment[name]?.toLowerCase() === "true") return [ok(`${name} is true`)];
  const fix = `export ${name}=true`;
  if (environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"]) {
    return [problem("AWS_EC2_METADATA_SERVICE_ENDPOINT leads to other credentials (IMDS)", fix)];
  }
  if (!(await probes.canReach(METADATA.host, METADATA.port))) {
    return [ok("no instance metadata (IMDS) can be reached")];
  }
  return [problem("the instance's role (IMDS) is taken where the grant does not answer", fix)];
}

function wins(names: readonly string[]): string {
  return names.length === 1 ? "wins" : "win";
}

function unset(names: readonly string[]): string {
  return `unset ${names.join(" ")}`;
}

function removal(path: string): string {
  return lookBehind(path) === undefined ? `ls -l ${quotePosix(path)}` : `rm ${quotePosix(path)}`;
}
