// Makes src/signer/operations.txt and services.txt anew from a copy of botocore: bun src/build/operations/make.ts PATH/botocore
// Facts alone are kept: which operations a service has, how a request names one, and at which host it is served.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { awsEndpointFunctions } from "@aws-sdk/core/client";
import {
  customEndpointFunctions,
  type EndpointParams,
  type RuleSetObject,
  resolveEndpoint,
} from "@smithy/core/endpoints";
import type { OperationsFile, ServiceFacts } from "../../signer/table.ts";

interface Shape {
  readonly type: string;
  readonly members?: Record<
    string,
    { readonly shape: string; readonly location?: string; readonly locationName?: string }
  >;
  readonly required?: readonly string[];
  readonly eventstream?: boolean;
  readonly payload?: string;
}
interface Model {
  readonly metadata: Record<string, string>;
  readonly operations: Record<
    string,
    {
      readonly http: { readonly method: string; readonly requestUri: string };
      readonly input?: { readonly shape: string };
      readonly endpoint?: { readonly hostPrefix: string };
      readonly authtype?: string;
      readonly auth?: readonly string[];
    }
  >;
  readonly shapes: Record<string, Shape>;
}
interface Partition {
  readonly id: string;
  readonly regionRegex: string;
  readonly regions: Record<string, unknown>;
  readonly outputs: {
    readonly dnsSuffix: string;
    readonly dualStackDnsSuffix: string;
    readonly implicitGlobalRegion: string;
  };
}

Object.assign(customEndpointFunctions, { aws: awsEndpointFunctions });
const botocore = process.argv[2];
if (botocore === undefined) throw new Error("usage: bun src/build/operations/make.ts PATH/botocore");
const data = join(botocore, "data");
const read = (path: string): unknown => JSON.parse(gunzipSync(readFileSync(path)).toString());
const { partitions } = JSON.parse(readFileSync(join(data, "partitions.json"), "utf8")) as { partitions: Partition[] };

/** FIPS, dual-stack. */
const VARIANTS = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const;

/** Served at another host than the rest of their service, by the same path as another operation: S3 Express. */
const ELSEWHERE: ReadonlySet<string> = new Set(["s3:ListDirectoryBuckets"]);

const services: Record<string, ServiceFacts> = {};
const endpoints: Record<string, [id: string, prefix: string]> = {};
for (const service of readdirSync(data).toSorted()) {
  if (service.includes(".") || service.startsWith("_")) continue;
  const version = readdirSync(join(data, service)).toSorted().at(-1)!;
  const model = read(join(data, service, version, "service-2.json.gz")) as Model;
  const rules = read(join(data, service, version, "endpoint-rule-set-1.json.gz")) as RuleSetObject;
  const { metadata } = model;
  endpoints[service] = [metadata["serviceId"]!.toLowerCase().replaceAll(/[ -]/g, "_"), metadata["endpointPrefix"]!];
  services[service] = {
    signing: metadata["signingName"] ?? metadata["endpointPrefix"]!,
    protocol: metadata["protocol"]!,
    version: metadata["apiVersion"]!,
    target: metadata["targetPrefix"],
    hosts: hostsOf(metadata["endpointPrefix"]!, rules),
    operations: Object.entries(model.operations)
      .filter(([name]) => !ELSEWHERE.has(`${service}:${name}`))
      .map(([name, operation]) => describe(model, name, operation)),
  };
}

/** `NAME`, with ` METHOD /template` where the path names it, and what tells it from others of that path. */
function describe(model: Model, name: string, operation: Model["operations"][string]): string {
  const { protocol } = model.metadata;
  const words = [name];
  const input = operation.input === undefined ? undefined : model.shapes[operation.input.shape];
  if (protocol!.startsWith("rest-")) {
    words.push(operation.http.method, operation.http.requestUri);
    // S3 alone tells operations of one path apart by what else a request must have, and by what it may not have.
    if (model.metadata["endpointPrefix"] === "s3")
      for (const [member, { location, locationName }] of Object.entries(input?.members ?? {})) {
        const isRequired = input!.required?.includes(member) === true;
        if (location === "querystring") words.push(`${isRequired ? "?" : "~"}${locationName}`);
        if (isRequired && location === "header" && locationName!.startsWith("x-amz-copy-source"))
          words.push(`:${locationName}`);
      }
  }
  const hostPrefix = operation.endpoint?.hostPrefix;
  if (hostPrefix !== undefined)
    words.push(`^${hostPrefix.replaceAll(/\{(\w+)\}/g, (_, label: string) => `{${placeOf(input!, label)}}`)}`);
  const streams =
    input?.payload !== undefined && model.shapes[input.members![input.payload]!.shape]!.eventstream === true;
  if (streams) words.push("!up");
  if (operation.auth?.every((scheme) => !scheme.endsWith("#sigv4")) === true) words.push("!unsigned");
  return words.join(" ");
}

/** Where a request has a label of the host: `:header`, `/label` of the path; in a body it cannot be known in time. */
function placeOf(input: Shape, label: string): string {
  const { location, locationName } = input.members![label]!;
  if (location === "header") return `:${locationName}`;
  if (location === "uri") return `/${locationName}`;
  return `=${label}`;
}

/** Where hosts are not the usual ones: by variant, for a partition or a region, with `@REGION` where it signs for another. */
function hostsOf(prefix: string, rules: RuleSetObject): ServiceFacts["hosts"] {
  return VARIANTS.map(([UseFIPS, UseDualStack]) => {
    const unusual: Record<string, string> = {};
    for (const { id, regions, outputs } of partitions) {
      const found = new Map<string, string[]>();
      for (const region of Object.keys(regions).filter((each) => !each.endsWith("-global"))) {
        const host = hostOf(rules, { Region: region, UseFIPS, UseDualStack }, region) ?? "";
        found.set(host, [...(found.get(host) ?? []), region]);
      }
      const suffix = UseDualStack ? outputs.dualStackDnsSuffix : outputs.dnsSuffix;
      const usual = `${prefix}${UseFIPS ? "-fips" : ""}.{region}.${suffix}`;
      const [most] = [...found].toSorted(([, one], [, other]) => other.length - one.length)[0]!;
      if (most !== usual) unusual[id] = most;
      for (const [host, those] of found) if (host !== most) for (const region of those) unusual[region] = host;
    }
    return unusual;
  });
}

function hostOf(rules: RuleSetObject, parameters: EndpointParams, region: string): string | undefined {
  const known = Object.fromEntries(Object.entries(parameters).filter(([name]) => name in rules.parameters));
  const special: EndpointParams = {};
  if ("ForcePathStyle" in rules.parameters) Object.assign(special, { ForcePathStyle: true, Bucket: "bucket" });
  if ("RequiresAccountId" in rules.parameters)
    Object.assign(special, { RequiresAccountId: true, AccountId: "111122223333" });
  try {
    const { url, properties } = resolveEndpoint(rules, { endpointParams: { ...known, ...special } });
    const [scheme] = (properties?.["authSchemes"] ?? []) as { signingRegion?: string }[];
    const signs = scheme?.signingRegion;
    const host = url.hostname.replace(/^111122223333\./, "").replaceAll(`.${region}.`, ".{region}.");
    return signs === undefined || signs === region ? host : `${host}@${signs}`;
  } catch {
    return undefined;
  }
}

const version = /__version__ = '([^']+)'/.exec(readFileSync(join(botocore, "__init__.py"), "utf8"))![1]!;
const file: OperationsFile = {
  botocore: version,
  partitions: partitions.map(({ id, regionRegex, outputs }) => ({
    id,
    regions: regionRegex,
    suffix: outputs.dnsSuffix,
    dual: outputs.dualStackDnsSuffix,
    global: outputs.implicitGlobalRegion,
  })),
  services,
};
// One line a service: a change of botocore's is readable as a change of ours.
const lines = Object.entries(services).map(([name, facts]) => `${JSON.stringify(name)}:${JSON.stringify(facts)}`);
const signer = join(import.meta.dirname, "../../signer");
writeFileSync(
  join(signer, "operations.txt"),
  `{"botocore":${JSON.stringify(file.botocore)},"partitions":${JSON.stringify(file.partitions)},"services":{\n${lines.join(",\n")}\n}}\n`,
);
writeFileSync(join(signer, "services.txt"), `${JSON.stringify(endpoints)}\n`);
