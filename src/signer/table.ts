// Which operations AWS has, and at which host each is served: facts of botocore's models. Made by build/operations/make.ts.
import text from "./operations.txt" with { type: "text" };
import { type Endpoint, readServices } from "./services.ts";

/** What `operations.txt` says of a service. */
export interface ServiceFacts {
  /** In the scope of a signature. */
  readonly signing: string;
  readonly protocol: string;
  readonly version: string;
  /** Of `X-Amz-Target`; absent where the protocol has none. */
  readonly target?: string | undefined;
  /** Plain, FIPS, dual-stack, both: hosts by partition or region where they are not the usual ones; "" is none. */
  readonly hosts: readonly Readonly<Record<string, string>>[];
  readonly operations: readonly string[];
}

export interface OperationsFile {
  readonly botocore: string;
  readonly partitions: readonly {
    readonly id: string;
    readonly regions: string;
    readonly suffix: string;
    readonly dual: string;
    /** Where its services without regions are signed for. */
    readonly global: string;
  }[];
  readonly services: Readonly<Record<string, ServiceFacts>>;
}

export interface Operation {
  readonly service: Service;
  readonly name: string;
  /** `service:Name`, as policies have it. */
  readonly title: string;
  /** Where the path names it. */
  readonly method: string | undefined;
  readonly template: Template | undefined;
  /** Of the query and of headers: what else a request of it has. */
  readonly wanted: readonly string[];
  readonly wantedHeaders: readonly string[];
  /** Of the query: what it may have besides, of S3 alone. */
  readonly optional: readonly string[];
  readonly hostPrefix: string | undefined;
  /** Its body is signed event by event. */
  readonly streamsUp: boolean;
}

export interface Template {
  readonly segments: readonly string[];
  /** Of the template's own query: names, or `name=value`. */
  readonly query: readonly string[];
}

export interface Service extends Omit<ServiceFacts, "operations">, Endpoint {
  readonly name: string;
  readonly operations: ReadonlyMap<string, Operation>;
}

const { partitions, services: facts } = JSON.parse(text) as OperationsFile;
export { partitions };

const endpoints = readServices();
const read = new Map<string, Service>();

/** @returns undefined where AWS has no such service */
export function serviceOf(name: string): Service | undefined {
  const known = read.get(name);
  const found = known === undefined && Object.hasOwn(facts, name) ? facts[name] : undefined;
  if (found === undefined) return known;
  const operations = new Map<string, Operation>();
  const service: Service = { ...found, ...endpoints.get(name)!, name, operations };
  for (const line of found.operations) {
    const operation = parse(service, line);
    operations.set(operation.name, operation);
  }
  read.set(name, service);
  return service;
}

export const serviceNames: readonly string[] = Object.keys(facts);

const byPrefix = Map.groupBy(endpoints, ([, { prefix }]) => prefix);

/** Those whose endpoint has this path: of some there are several, as of `email`. */
export function servicesAt(prefix: string): readonly Service[] {
  return (byPrefix.get(prefix) ?? []).map(([name]) => serviceOf(name)!);
}

export const isOfForms = ({ protocol }: Service) => protocol === "query" || protocol === "ec2";

/** Services that had forms before they had JSON and CBOR take them still, as SQS and CloudWatch. */
export const takesForms = (service: Service) =>
  isOfForms(service) || service.name === "sqs" || service.name === "cloudwatch";

/** Those that take forms, by the name that their requests are signed for: all of one name have one endpoint. */
export function servicesOfForms(signing: string | undefined): readonly Service[] {
  const names = serviceNames.filter((name) => facts[name]!.signing === signing);
  return names.map((name) => serviceOf(name)!).filter(takesForms);
}

function parse(service: Service, line: string): Operation {
  const [name, ...words] = line.split(" ") as [string, ...string[]];
  const isPath = words[1]?.startsWith("/") === true;
  const marked = (mark: string) => words.filter((word) => word.startsWith(mark)).map((word) => word.slice(1));
  const uri = isPath ? words[1]! : undefined;
  const at = uri?.indexOf("?") ?? -1;
  const path = at === -1 ? uri : uri!.slice(0, at);
  return {
    service,
    name,
    title: `${service.name}:${name}`,
    method: isPath ? words[0] : undefined,
    template:
      path === undefined
        ? undefined
        : { segments: path.split("/").slice(1), query: at === -1 ? [] : uri!.slice(at + 1).split("&") },
    wanted: marked("?"),
    wantedHeaders: marked(":"),
    optional: marked("~"),
    hostPrefix: marked("^")[0],
    streamsUp: words.includes("!up"),
  };
}
