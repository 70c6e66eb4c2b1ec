// Which operation a request is of. It must be what AWS takes it for: where a request says two things, it is both.
import { decodeText, type Header, only, parseQuery, type Request } from "./sigv4.ts";
import { isOfForms, type Operation, type Service, takesForms } from "./table.ts";

/** A request at one endpoint: its path without the endpoint's, and its body where that has been read. */
export interface Asked extends Request {
  readonly body: Buffer | undefined;
}

/** What a request names besides its operation. */
export type Labels = Readonly<Record<string, string>>;

export interface Named {
  readonly operation: Operation;
  readonly labels: Labels;
}

/** Whether the operation stands in the body: it must be read before it can be named. */
export function needsBody(request: Request, services: readonly Service[]): boolean {
  return services.some(takesForms) && mayBeForm(request, services);
}

/**
 * Every operation that the request may be of; none where that cannot be told. AWS decides by a service's protocol, and many
 * services speak several: whatever a request says in any of them counts.
 */
export function nameOperations(request: Asked, services: readonly Service[]): readonly Named[] {
  const found: Named[] = [];
  let isUnclear = false;
  const add = (named: readonly Named[]) => {
    if (named.length === 0) isUnclear = true;
    found.push(...named);
  };
  const targets = request.headers.filter(([name]) => name === "x-amz-target").map(([, value]) => value);
  for (const target of targets) add(byTarget(target, services));
  if (services.some(takesForms)) {
    const isForm = mayBeForm(request, services);
    const form = isForm ? request.body : undefined;
    if (form !== undefined && isUnreadable(request, form)) return [];
    const fields = [...parseQuery(request.query), ...(form === undefined ? [] : fieldsOf(form))];
    const version = only(fields, "Version");
    const actions = fields.filter(([name]) => name.toLowerCase() === "action").map(([, value]) => value);
    // It says that it is a form, and that it is none.
    if (actions.length > 0 && !isForm) return [];
    for (const action of new Set(actions)) add(byName(action, services, version));
  }
  // Whatever is before it: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html. A key of S3 is no path.
  const path = decodeText(request.path);
  const rpc = services[0]?.name === "s3" ? null : /\/service\/([^/]+)\/operation\/([^/]+)\/?$/.exec(path);
  if (rpc !== null) add(byName(rpc[2]!, services));
  const isNamed = found.length > 0 || isUnclear;
  const byPath = nameByPath(request, services);
  if (byPath.length > 0 || !isNamed) add(byPath);
  return isUnclear ? [] : found;
}

const headerOf = ({ headers }: Request, wanted: string) =>
  (headers.find(([name]) => name === wanted)?.[1] ?? "").toLowerCase();

/** All but what says that it is another, at an endpoint that takes others: where forms are all, AWS may not look. */
function mayBeForm(request: Request, services: readonly Service[]): boolean {
  if (services.every(isOfForms)) return true;
  return !/^application\/(?:x-amz-json-1\.[01]|json|cbor|x-amz-cbor-1\.1)\s*(?:;|$)/.test(
    headerOf(request, "content-type"),
  );
}

/** Of a form. AWS's largest have some 30,000, as a thousand metrics of CloudWatch. */
const MOST_FIELDS = 100_000;

/** A form that AWS may read as other text than we do, or that is made to be read for long. */
function isUnreadable(request: Request, form: Buffer): boolean {
  if (form.length === 0) return false;
  const type = headerOf(request, "content-type");
  const isPlain = /^(?:application\/x-www-form-urlencoded\s*(?:;\s*charset="?utf-?8"?\s*)?)?$/.test(type);
  return !isPlain || headerOf(request, "content-encoding") !== "" || hasManyFields(form);
}

/** `+` is a space in a form. */
const fieldsOf = (form: Buffer) => parseQuery(Buffer.from(form).toString("latin1").replaceAll("+", "%20"));

function hasManyFields(body: Buffer): boolean {
  let count = 1;
  for (let at = body.indexOf("&"); at !== -1 && count <= MOST_FIELDS; at = body.indexOf("&", at + 1)) count += 1;
  return count > MOST_FIELDS;
}

/** `PREFIX.Operation`; what is before the last dot names the service. */
function byTarget(target: string, services: readonly Service[]): Named[] {
  const at = target.lastIndexOf(".");
  const prefix = target.slice(0, at);
  const those = services.filter((service) => service.target === prefix);
  return byName(target.slice(at + 1), those);
}

function byName(name: string, services: readonly Service[], version?: string): Named[] {
  const those = version === undefined ? services : services.filter((service) => service.version === version);
  return those.flatMap((service) => {
    const operation = service.operations.get(name);
    return operation === undefined ? [] : [{ operation, labels: {} }];
  });
}

function nameByPath(request: Asked, services: readonly Service[]): Named[] {
  const query = parseQuery(request.query);
  // S3 takes some of its headers from the query as well: what stands there would not be judged.
  if (query.some(([name]) => /^x-amz-(?:copy|rename)-source/i.test(name))) return [];
  const headers = new Set([...request.headers, ...query].map(([name]) => name.toLowerCase()));
  const fitting: Named[] = [];
  for (const service of services) {
    const segments = segmentsOf(request.path, service);
    if (segments === undefined) continue;
    for (const operation of service.operations.values()) {
      if (operation.template === undefined || operation.method !== request.method) continue;
      if (!operation.template.query.every((part) => hasPart(query, part))) continue;
      if (!operation.wanted.every((wanted) => hasPart(query, wanted))) continue;
      if (!operation.wantedHeaders.every((name) => headers.has(name))) continue;
      const labels = match(operation.template.segments, segments);
      if (labels !== undefined) fitting.push({ operation, labels });
    }
  }
  const named = mostSpecific(fitting);
  if (services[0]?.name !== "s3") return named;
  // What a later S3 takes for a part of an object's settings would be judged as the object.
  const isKnown = query.every(([name]) => isParameter(name) || named.some(({ operation }) => takes(operation, name)));
  return isKnown ? [...named, ...named.flatMap((one) => impliedBy(headers, one))] : [];
}

/** Of any request to S3: what SDKs add, and headers that a presigned one has in its query. */
const isParameter = (name: string) => name === "" || name === "x-id" || /^x-amz-/i.test(name);

function takes({ template, wanted, optional }: Operation, name: string): boolean {
  return (
    wanted.includes(name) || optional.includes(name) || template!.query.some((part) => part.split("=", 1)[0] === name)
  );
}

/** Headers that do what another operation does: AWS asks for the permission of both. */
const IMPLIED: readonly (readonly [headers: RegExp, ofObject: string, ofBucket: string])[] = [
  [/^x-amz-(?:acl$|grant-)/, "PutObjectAcl", "PutBucketAcl"],
  [/^x-amz-tagging$/, "PutObjectTagging", "PutBucketTagging"],
  [/^x-amz-object-lock-(?:mode|retain-until-date)$/, "PutObjectRetention", "PutObjectLockConfiguration"],
  [/^x-amz-object-lock-legal-hold$/, "PutObjectLegalHold", "PutObjectLockConfiguration"],
  [/^x-amz-bucket-object-lock-enabled$/, "PutObjectLockConfiguration", "PutObjectLockConfiguration"],
  [/^x-amz-object-ownership$/, "PutBucketOwnershipControls", "PutBucketOwnershipControls"],
];

function impliedBy(headers: ReadonlySet<string>, { operation, labels }: Named): Named[] {
  if (operation.method !== "PUT" && operation.method !== "POST") return [];
  return IMPLIED.flatMap(([pattern, ofObject, ofBucket]) => {
    const name = labels["Key"] === undefined ? ofBucket : ofObject;
    if (name === operation.name || ![...headers].some((header) => pattern.test(header))) return [];
    return [{ operation: operation.service.operations.get(name)!, labels }];
  });
}

/** undefined where AWS may see another path than we do. */
function segmentsOf(path: string, service: Service): string[] | undefined {
  const segments = path.split("/").slice(1);
  // The key of an object is what it is, dots and slashes included. A bucket's path may end with a slash.
  // A bucket's name needs no encoding: `b%2Fk` is a bucket to one reader, and an object to another.
  if (service.name === "s3" && segments[0]!.includes("%")) return undefined;
  if (service.name === "s3") return segments.length === 2 && segments[1] === "" ? segments.slice(0, 1) : segments;
  const decoded = segments.map((segment) => segment.replaceAll(/%2e/gi, "."));
  if (decoded.some((segment) => segment === "." || segment === "..")) return undefined;
  if (segments.slice(0, -1).includes("")) return undefined;
  return segments.at(-1) === "" && segments.length > 1 ? segments.slice(0, -1) : segments;
}

/** Of a parameter that is there twice, AWS may read either. */
function hasPart(query: readonly Header[], part: string): boolean {
  const [wanted, text] = part.split("=", 2) as [string, string?];
  return query.some(([name, value]) => name === wanted && (text === undefined || value === text));
}

/** @returns its labels, decoded; undefined where the path is not of this template */
function match(template: readonly string[], segments: readonly string[]): Labels | undefined {
  const wanted = template.at(-1) === "" && template.length > 1 ? template.slice(0, -1) : template;
  const labels: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const rest = segments.slice(index);
    const name = /^\{(\w+)\+?\}$/.exec(part)?.[1];
    if (part.endsWith("+}")) {
      // A greedy label may be followed by words, and has at least one character.
      const after = wanted.length - index - 1;
      const own = rest.slice(0, rest.length - after);
      if (own.join("/") === "" || rest.length <= after) return undefined;
      if (!wanted.slice(index + 1).every((word, at) => word === rest[own.length + at])) return undefined;
      labels[name!] = decodeText(own.join("/"));
      return labels;
    }
    if (rest.length === 0) return undefined;
    if (name === undefined ? part !== rest[0] : rest[0] === "") return undefined;
    if (name !== undefined) labels[name] = decodeText(rest[0]!);
  }
  return segments.length === wanted.length ? labels : undefined;
}

/** Those that no other one is more specific than: `GET /{Bucket}?acl` and not `GET /{Bucket}`, a word and not a label. */
function mostSpecific(fitting: readonly Named[]): Named[] {
  return fitting.filter(({ operation }) => !fitting.some((other) => isNarrower(other.operation, operation)));
}

function isNarrower(one: Operation, other: Operation): boolean {
  if (one === other || one.service !== other.service) return false;
  const [narrow, wide] = [marksOf(one), marksOf(other)];
  if (![...wide].every((mark) => narrow.has(mark))) return false;
  return narrow.size > wide.size;
}

/** What a request must have to be of this operation, beyond labels. */
function marksOf({ template, wanted, wantedHeaders }: Operation): Set<string> {
  return new Set([
    ...template!.segments.flatMap((segment, at) => (segment.startsWith("{") ? [] : [`/${at}${segment}`])),
    ...(template!.segments.at(-1)?.endsWith("+}") === true ? [] : ["whole"]),
    ...template!.query.map((part) => `?${part.split("=", 1)[0]}`),
    ...template!.query.filter((part) => part.includes("=")),
    ...wanted.map((name) => `?${name}`),
    ...wantedHeaders,
  ]);
}
