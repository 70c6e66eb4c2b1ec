// Which STS is asked, and how it is reached: region, endpoint, certificates. Everything that the SDK would otherwise
// look up in the daemon's own environment and home is decided here, from the config and the requester.
import { readFile } from "node:fs/promises";
import type { Config } from "../config/config.ts";
import { regionOf } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { DEFAULT_PROFILE, namedProfile, readSharedConfig, type SharedConfig } from "./profile.ts";
import type { SourceEnvironment } from "./source.ts";

export interface Target {
  /** The region that signs and, without `endpoint`, is asked. */
  readonly region: string;
  /** The region that the config or its profile names: the requester's variables are not for others. */
  readonly namedRegion: string | undefined;
  /** Undefined: the regional endpoint, by the SDK's rules. */
  readonly endpoint: string | undefined;
  readonly useFips: boolean;
  readonly useDualstack: boolean;
  readonly tls: Tls;
}

export interface Tls {
  /** False turns https into http (`STS.use_ssl`). */
  readonly enabled: boolean;
  /** False trusts any certificate (`STS.verify: false`). */
  readonly verify: boolean;
  /** Trusted instead of the built-in roots: PEM. */
  readonly ca: string | undefined;
}

/** As in botocore's partitions.json; other partitions have no role of theirs assumed without a region. */
const PARTITION_REGIONS: Readonly<Record<string, string>> = {
  aws: "us-east-1",
  "aws-cn": "cn-north-1",
  "aws-us-gov": "us-gov-west-1",
  "aws-iso": "us-iso-east-1",
  "aws-iso-b": "us-isob-east-1",
  "aws-iso-e": "eu-isoe-west-1",
  "aws-iso-f": "us-isof-south-1",
  "aws-eusc": "eusc-de-east-1",
};

/** @throws KeyholeError `invalid-config` for a CA bundle that cannot be read. */
export async function resolveTarget(config: Config, environment: SourceEnvironment): Promise<Target> {
  const shared = await readSharedConfig(environment);
  const profile =
    shared.profiles.get(namedProfile(config, environment) ?? DEFAULT_PROFILE) ?? new Map<string, string>();
  const setting = (variable: string, key: string): string | undefined => environment[variable] ?? profile.get(key);
  const configRegion = config.STS?.region_name ?? config.Session?.region_name;
  const profileRegion = profile.get("region");
  return {
    region: configRegion ?? regionOf(environment) ?? profileRegion ?? partitionRegion(config.AssumeRole.RoleArn),
    namedRegion: configRegion ?? profileRegion,
    endpoint: config.STS?.endpoint_url ?? configuredEndpoint(environment, profile, shared),
    useFips: isTrue(setting("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")),
    useDualstack: isTrue(setting("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")),
    tls: {
      enabled: config.STS?.use_ssl ?? true,
      verify: config.STS?.verify !== false,
      ca: await readBundle(config, setting("AWS_CA_BUNDLE", "ca_bundle")),
    },
  };
}

function partitionRegion(roleArn: string): string {
  return PARTITION_REGIONS[roleArn.split(":")[1] ?? "aws"] ?? "us-east-1";
}

/** https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html */
function configuredEndpoint(
  environment: SourceEnvironment,
  profile: ReadonlyMap<string, string>,
  shared: SharedConfig,
): string | undefined {
  const ignore = environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] ?? profile.get("ignore_configured_endpoint_urls");
  if (isTrue(ignore)) return undefined;
  return (
    environment["AWS_ENDPOINT_URL_STS"] ??
    environment["AWS_ENDPOINT_URL"] ??
    shared.services.get(profile.get("services") ?? "")?.get("sts.endpoint_url") ??
    profile.get("endpoint_url")
  );
}

function isTrue(value: string | undefined): boolean {
  return value?.toLowerCase() === "true";
}

/** `STS.verify: true` means the built-in roots, whatever AWS_CA_BUNDLE says, as in boto3. */
async function readBundle(config: Config, fromRequester: string | undefined): Promise<string | undefined> {
  const verify = config.STS?.verify;
  if (typeof verify === "boolean") return undefined;
  const path = verify ?? fromRequester;
  return path === undefined ? undefined : readCaBundle(path, verify === undefined ? "AWS_CA_BUNDLE" : "STS.verify");
}

/**
 * The PEM text of a CA bundle. `name` says in the error where the path came from; the path itself is not shown.
 *
 * @throws KeyholeError `invalid-config`
 */
export async function readCaBundle(path: string, name: string): Promise<string> {
  // The daemon does not run in the requester's directory, so a relative path would mean another file.
  if (!path.startsWith("/")) throw new KeyholeError("invalid-config", `${name} is not an absolute path`);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    throw new KeyholeError("invalid-config", `the CA bundle that ${name} names cannot be read`);
  }
  if (text.includes("-----BEGIN ")) return text;
  throw new KeyholeError("invalid-config", `the CA bundle that ${name} names holds no certificate`);
}
