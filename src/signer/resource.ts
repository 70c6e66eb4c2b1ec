// What a request is about, for `--resource`: an object of S3 (`bucket/key`), a table of DynamoDB, a function of Lambda.
// What cannot be told is not told: it is refused.
import type { Asked, Labels, Named } from "./operation.ts";
import { decodeText, normalize, parseQuery } from "./sigv4.ts";

export const RESOURCE_SERVICES = ["dynamodb", "lambda", "s3"] as const;

/** Whether the body must be read to tell. */
export function isInBody(service: string): boolean {
  return service === "dynamodb";
}

/** @returns undefined where the operation's resources cannot be told */
export function resourcesOf({ operation, labels }: Named, request: Asked): readonly string[] | undefined {
  switch (operation.service.name) {
    case "s3":
      return objectsOf(operation.name, labels, request);
    case "dynamodb":
      return tablesOf(operation.name, request);
    case "lambda":
      return labels["FunctionName"] === undefined ? undefined : [functionOf(labels["FunctionName"])];
    default:
      return undefined;
  }
}

function objectsOf(
  operation: string,
  { Bucket: bucket, Key: key }: Labels,
  request: Asked,
): readonly string[] | undefined {
  if (bucket === undefined) return undefined;
  if (key !== undefined) {
    const valuesOf = (wanted: string) => request.headers.filter(([name]) => name === wanted).map(([, value]) => value);
    const copied = valuesOf("x-amz-copy-source").map(sourceOf);
    const renamed = valuesOf("x-amz-rename-source").map((value) => `${bucket}/${sourceOf(value)}`);
    return [`${bucket}/${key}`, ...copied, ...renamed].flatMap(readingsOf);
  }
  // Its body names them.
  if (operation === "DeleteObjects") return [`${bucket}/*`];
  // A listing is of what its prefix says.
  const lists = ["ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"].includes(operation);
  if (!lists) return [bucket];
  const prefixes = parseQuery(request.query).filter(([name]) => name === "prefix");
  if (prefixes.length > 1) return undefined;
  return [`${bucket}/${Buffer.from(prefixes[0]?.[1] ?? "", "latin1").toString()}`];
}

/** A key is what it is, for S3; a server that a config names may go where its dots lead. */
function readingsOf(path: string): readonly string[] {
  return /(?:^|\/)\.{1,2}(?:\/|$)/.test(path) ? [path, normalize(`/${path}`).slice(1)] : [path];
}

/** `bucket/key?versionId=…`, encoded, perhaps with a slash before it. */
function sourceOf(value: string): string {
  return decodeText(value.replace(/^\//, "").replace(/\?versionId=[\w.~+=-]*$/, ""));
}

/** `name` or `name:qualifier`. What names an account, as an ARN, is what it is: it may be another one's. */
function functionOf(text: string): string {
  return text.includes(":function:") ? text : text.split(":", 1)[0]!;
}

const OF_ONE_TABLE: ReadonlySet<string> = new Set([
  "CreateTable",
  "DeleteItem",
  "DeleteTable",
  "DescribeContinuousBackups",
  "DescribeTable",
  "DescribeTimeToLive",
  "GetItem",
  "PutItem",
  "Query",
  "Scan",
  "UpdateContinuousBackups",
  "UpdateItem",
  "UpdateTable",
  "UpdateTimeToLive",
]);

function tablesOf(operation: string, { body }: Asked): readonly string[] | undefined {
  if (body === undefined) return undefined;
  const text = Buffer.from(body).toString();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  // Of two keys of one name we might read the one, and AWS the other.
  if (hasRepeatedKey(text)) return undefined;
  const names: unknown[] = [];
  if (OF_ONE_TABLE.has(operation)) names.push(member(parsed, "TableName"));
  else if (operation === "BatchGetItem" || operation === "BatchWriteItem")
    names.push(...Object.keys((member(parsed, "RequestItems") as object | undefined) ?? {}));
  else if (operation === "TransactGetItems" || operation === "TransactWriteItems") {
    const items = member(parsed, "TransactItems");
    for (const item of Array.isArray(items) ? items : [])
      for (const action of Object.values((item as object | null) ?? {})) names.push(member(action, "TableName"));
  } else return undefined;
  if (names.length === 0 || !names.every((name) => typeof name === "string")) return undefined;
  // An ARN is what it is: the table may be another account's.
  return names;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

/** Of well-formed JSON. No expression: of a long text they give up, and say that there is none. */
export function hasRepeatedKey(text: string): boolean {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === "{") open.push(new Set());
    else if (character === "}") open.pop();
    else if (character === '"') {
      const start = at;
      for (at += 1; at < text.length && text[at] !== '"'; at += 1) if (text[at] === "\\") at += 1;
      let next = at + 1;
      while (" \t\r\n".includes(text[next] ?? "end")) next += 1;
      if (text[next] !== ":") continue;
      const quoted = text.slice(start, at + 1);
      const key = quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
      if (open.at(-1)!.has(key)) return true;
      open.at(-1)!.add(key);
    }
  }
  return false;
}
