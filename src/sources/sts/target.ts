// Which STS is asked, and how it is reached: region, endpoint, proxies, certificates. Everything that the SDK would
// otherwise look up in the environment and home of its process is decided here, from the config and the requester.
import type { Config } from "../../config/config.ts";
import { regionOf } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { readForeign } from "../../files/foreign.ts";
import { quotePosix } from "../../text/quoting.ts";
import { DEFAULT_PROFILE, expandHome, type Settings, type SharedConfig, sharedPaths } from "../resolve/profile.ts";
import { type Proxies, proxiesOf } from "./proxy.ts";
import type { SourceEnvironment } from "../source.ts";

export interface Target {
  /** The region that signs and, without `endpoint`, is asked. */
  readonly region: string;
  /** The region that the config or its profile names: the requester's variables are not for others. */
  readonly namedRegion: string | undefined;
  /** Undefined: the regional endpoint, by the SDK's rules. */
  readonly endpoint: string | undefined;
  readonly useFips: boolean;
  readonly useDualstack: boolean;
  /** The one endpoint for the regions that were there before the others have theirs. */
  readonly useGlobal: boolean;
  readonly tls: Tls;
  readonly proxies: Proxies;
}

export interface Tls {
  /** False turns https into http (`STS.use_ssl`). */
  readonly enabled: boolean;
  /** False trusts any certificate (`STS.verify: false`). */
  readonly verify: boolean;
  /** Trusted instead of the built-in roots: PEM. */
  readonly ca: string | undefined;
  /** Trusted beside the built-in roots: PEM. */
  readonly extraCa: string | undefined;
}

/** What a requester's variables and files say of the way to AWS, whatever the config adds. Plain data. */
export interface Way {
  readonly variableRegion: string | undefined;
  readonly profileRegion: string | undefined;
  readonly endpoint: string | undefined;
  readonly useFips: boolean;
  readonly useDualstack: boolean;
  readonly useGlobal: boolean;
  /** A file names the endpoint, or the kind of endpoint, and no variable. */
  readonly isOfFile: boolean;
  /** See Tls. */
  readonly ca: string | undefined;
  readonly extraCa: string | undefined;
  readonly proxies: Proxies;
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

/** `STS.verify`: what to trust instead of what the requester says. */
type Verify = NonNullable<Config["STS"]>["verify"];

/**
 * Reads the requester's certificates, so that it runs in a child alone.
 *
 * @param profile undefined for the default
 * @throws KeyholeError `invalid-config`, `person-needed` for a CA bundle that cannot be used.
 */
export async function readWay(
  shared: SharedConfig,
  environment: SourceEnvironment,
  profile: string = DEFAULT_PROFILE,
  verify: Verify,
): Promise<Way> {
  const settings = shared.profiles.get(profile) ?? new Map<string, string>();
  const ca = await readBundle(verify, environment, settings);
  return { ...planWay(shared, environment, profile), ca, extraCa: await readExtra(environment) };
}

/** Without the certificates: no file is read. */
export function planWay(shared: SharedConfig, environment: SourceEnvironment, profile: string = DEFAULT_PROFILE): Way {
  const settings = shared.profiles.get(profile) ?? new Map<string, string>();
  const setting = (variable: string, key: string): string | undefined => environment[variable] ?? settings.get(key);
  const endpoint = configuredEndpoint(environment, settings, shared);
  const useFips = isTrue(setting("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"));
  const useDualstack = isTrue(setting("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"));
  const isUnnamed = (variable: string) => environment[variable] === undefined;
  return {
    variableRegion: regionOf(environment),
    profileRegion: settings.get("region"),
    endpoint,
    useFips,
    useDualstack,
    // https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html: `regional` is the default.
    useGlobal: setting("AWS_STS_REGIONAL_ENDPOINTS", "sts_regional_endpoints") === "legacy",
    isOfFile:
      (endpoint !== undefined && isUnnamed("AWS_ENDPOINT_URL_STS") && isUnnamed("AWS_ENDPOINT_URL")) ||
      (useFips && isUnnamed("AWS_USE_FIPS_ENDPOINT")) ||
      (useDualstack && isUnnamed("AWS_USE_DUALSTACK_ENDPOINT")),
    ca: undefined,
    extraCa: undefined,
    proxies: proxiesOf(environment),
  };
}

/** Which STS is asked, in words. */
export function describeSts({ region, endpoint, useFips, useDualstack, useGlobal }: Omit<Target, "tls">): string {
  if (endpoint !== undefined) return `STS at ${URL.parse(endpoint)?.host ?? "an endpoint of its own"}`;
  if (useGlobal) return "STS at sts.amazonaws.com";
  const variants = [useFips && "FIPS", useDualstack && "dual-stack"].filter(Boolean);
  return `STS of ${region}${variants.length === 0 ? "" : ` (${variants.join(", ")})`}`;
}

/** Thrown where the files of a requester say how STS is reached, and those of the daemon's user do not. */
export class OwnWay extends KeyholeError {
  /** As `ownFilesOf` has them. */
  readonly files: string;

  constructor(files: string) {
    super("no-such-session", `${files} says how STS is reached, for those who name it alone`);
    this.files = files;
  }
}

/**
 * @param home of the daemon's user, whose files count for every requester
 * @throws OwnWay
 */
export function refuseOwnWay({ isOfFile }: Way, environment: SourceEnvironment, home: string | undefined): void {
  const files = isOfFile ? ownFilesOf(environment, home) : undefined;
  if (files !== undefined) throw new OwnWay(files);
}

/**
 * The files of a requester that others do not have: `/config`, or `/config:/credentials`, because either may name an
 * endpoint. Undefined where it has those of the daemon's user.
 *
 * @param home for who has none
 */
export function ownFilesOf(environment: SourceEnvironment, home: string | undefined): string | undefined {
  const ofHome = home === undefined ? {} : { HOME: home };
  const [all, own] = [ofHome, { ...ofHome, ...environment }].map(sharedPaths);
  if (Bun.deepEquals(all, own)) return undefined;
  const [config = "", credentials = ""] = own!.map((path) => path?.replaceAll(/[%:]/g, encodeURIComponent));
  return all![1] === own![1] ? config : `${config}:${credentials}`;
}

/** The config's own words come first. */
export function targetOf({ STS, Session, AssumeRole }: Config, way: Way): Target {
  const configRegion = STS?.region_name ?? Session?.region_name;
  return {
    ...reach(way, AssumeRole?.RoleArn ?? "", configRegion),
    namedRegion: configRegion ?? way.profileRegion,
    ...(STS?.endpoint_url === undefined ? {} : { endpoint: STS.endpoint_url }),
    tls: { enabled: STS?.use_ssl ?? true, verify: STS?.verify !== false, ca: way.ca, extraCa: way.extraCa },
  };
}

/** For a role that is assumed on the way to source credentials, of which the config says nothing. */
export function hopTarget(way: Way, roleArn: string): Target {
  return {
    ...reach(way, roleArn, undefined),
    namedRegion: undefined,
    tls: { enabled: true, verify: true, ca: way.ca, extraCa: way.extraCa },
  };
}

function reach(way: Way, roleArn: string, region: string | undefined): Omit<Target, "namedRegion" | "tls"> {
  const { variableRegion, profileRegion, endpoint, useFips, useDualstack, proxies } = way;
  const asked = region ?? variableRegion ?? profileRegion ?? partitionRegion(roleArn);
  return {
    region: asked,
    endpoint,
    useFips,
    useDualstack,
    useGlobal: way.useGlobal && !useFips && !useDualstack && GLOBAL_REGIONS.has(asked),
    proxies,
  };
}

/** https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html: of `legacy`. */
const GLOBAL_REGIONS: ReadonlySet<string> = new Set(
  (
    "ap-northeast-1 ap-south-1 ap-southeast-1 ap-southeast-2 aws-global ca-central-1 eu-central-1 eu-north-1 eu-west-1 " +
    "eu-west-2 eu-west-3 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2"
  ).split(" "),
);

function partitionRegion(roleArn: string): string {
  return PARTITION_REGIONS[roleArn.split(":")[1] ?? "aws"] ?? "us-east-1";
}

/** https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html */
function configuredEndpoint(
  environment: SourceEnvironment,
  profile: Settings,
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
async function readBundle(
  verify: Verify,
  environment: SourceEnvironment,
  settings: Settings,
): Promise<string | undefined> {
  if (typeof verify === "boolean") return undefined;
  if (verify !== undefined) return readCaBundle(verify, "STS.verify");
  const variable = environment["AWS_CA_BUNDLE"];
  if (variable !== undefined) return readCaBundle(variable, "AWS_CA_BUNDLE");
  const setting = settings.get("ca_bundle");
  return setting === undefined ? undefined : readCaBundle(expandHome(setting, environment), "ca_bundle");
}

/** @param name says in the error where the path came from */
async function readCaBundle(path: string, name: string): Promise<string> {
  // Who reads it does not run in the requester's directory, so a relative path would mean another file.
  if (!path.startsWith("/")) throw new KeyholeError("invalid-config", `${name} is not an absolute path`);
  const text = await readForeign(path);
  if (text === undefined) throw unusable(path, name, "cannot be read");
  if (!text.includes("-----BEGIN ")) throw unusable(path, name, "holds no certificate");
  return text;
}

function unusable(path: string, name: string, what: string): KeyholeError {
  return new KeyholeError("person-needed", `${path}, which ${name} names, ${what}`, `ls -ld ${quotePosix(path)}`);
}

/** What Bun would read for its own process, and takes for nothing where it cannot. */
async function readExtra(environment: SourceEnvironment): Promise<string | undefined> {
  const paths = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"].flatMap((name) => environment[name] ?? []);
  const texts = await Promise.all(paths.map(readForeign));
  return texts.filter((text) => text !== undefined).join("\n") || undefined;
}
