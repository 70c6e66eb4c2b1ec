// The options of `grant add` → the terms of a grant. Everything is read and checked before a person is asked anything;
// what only STS's limits forbid, the daemon says.
import type { ArgDef, ArgsDef, ArgValues } from "../../arguments.ts";
import { checkConfigName, checkProfileName, profileOf } from "../../config/name.ts";
import { KeyholeError } from "../../errors.ts";
import { formatRate, parseRate, parseSpan } from "../../grants/formats.ts";
import {
  arches,
  DEFAULT_MOUNT,
  DEFAULT_RATE,
  defaultExecutable,
  type Executable,
  executableProblem,
  executables,
  deliveries,
  fileProblems,
  type GrantMachine,
  SIGNING_RATE,
  signProblems,
  type SignTerms,
} from "../../grants/grant.ts";
import { checkMountPath } from "../../grants/mount.ts";
import { checkNewGrantName } from "../../grants/names.ts";
import type { PolicyChoice } from "../../grants/policies.ts";
import { absolutePath } from "../../paths.ts";
import { parseWhole } from "../../text/numbers.ts";
import type { RequestOf } from "../../wire/messages.ts";
import type { CommandContext, Host } from "../command.ts";

const HINT = "keyhole grant add --help";

/** To Linux's largest uid; the next number, -1, stands for none (chown(2)). */
const IDS = { most: 0xff_ff_ff_fe };
/** What a u32 of the wire holds. */
const USES = { least: 1, most: 0xff_ff_ff_ff };
/** Characters. STS takes 2,048 of a session policy; white space does not count. */
const POLICY_LIMIT = 64 * 1024;

/** Of `grant add` and `grant set`. */
export const archOption = {
  type: "enum",
  options: [...arches],
  description: "CPU of the image, where it is not this machine's; for the small executable",
} as const satisfies ArgDef;

/** The options of `grant add`. */
export const termOptions = {
  config: { type: "string", valueHint: "CONFIG", description: "The config whose role it is" },
  profile: {
    type: "string",
    valueHint: "PROFILE",
    description: "A profile of ~/.aws, whose identity is handed on as it is, instead of a config",
  },
  ttl: { type: "string", valueHint: "SPAN", description: "Give nothing any more after that time, like 8h" },
  policy: {
    type: "string",
    valueHint: "POLICY",
    description: "Session policy: a file, read-only, no-escalation or pin-ip=CIDR",
  },
  "policy-arn": {
    type: "string",
    multiple: true,
    valueHint: "ARN",
    description: "Managed policy that narrows the session; may be repeated",
  },
  tag: { type: "string", multiple: true, valueHint: "K=V", description: "Session tag; may be repeated" },
  "source-identity": { type: "string", valueHint: "NAME", description: "Source identity of the session" },
  duration: { type: "string", valueHint: "SPAN", description: "Lifetime of each set of credentials, like 1h" },
  deliver: {
    type: "enum",
    options: deliveries.filter((each) => each !== "sign"),
    description: "How it is reached: socket (the default), or file for sandboxes that forbid Unix sockets",
  },
  "mount-at": {
    type: "string",
    default: DEFAULT_MOUNT,
    valueHint: "PATH",
    description: "Where the sandbox sees the directory; host: at the same place as here",
  },
  executable: {
    type: "enum",
    options: [...executables],
    description: "What lies there as keyhole: small (the default) answers credential_process, full does everything",
  },
  "no-executable": { type: "boolean", description: "As --executable none, for images that have keyhole" },
  arch: archOption,
  "allow-uid": {
    type: "string",
    multiple: true,
    valueHint: "N",
    description: "Host uid that may ask; may be repeated",
  },
  "allow-gid": {
    type: "string",
    multiple: true,
    valueHint: "N",
    description: "Host gid that may ask; may be repeated",
  },
  rate: {
    type: "string",
    valueHint: "RATE",
    description: `Requests in a time (${formatRate(DEFAULT_RATE)}; with --sign ${formatRate(SIGNING_RATE)})`,
  },
  "max-uses": { type: "string", valueHint: "N", description: "Give nothing any more after that many answers" },
  confirm: {
    type: "string",
    multiple: true,
    bare: true,
    valueHint: "SERVICE:OPERATION",
    description: "Ask a person before each answer; with --sign, before these operations",
  },
  sign: {
    type: "boolean",
    description: "Sign requests for the sandbox, which gets no credentials at all: keyhole relay -- COMMAND in it",
  },
  allow: {
    type: "string",
    multiple: true,
    valueHint: "SERVICE:OPERATION",
    description: "With --sign: allow these operations alone, like 's3:Get*'; may be repeated",
  },
  deny: {
    type: "string",
    multiple: true,
    valueHint: "SERVICE:OPERATION",
    description: "With --sign: deny these operations; may be repeated",
  },
  region: { type: "string", multiple: true, valueHint: "REGION", description: "With --sign: these regions alone" },
  resource: {
    type: "string",
    multiple: true,
    valueHint: "SERVICE:NAME",
    description: "With --sign: these alone of s3 (bucket/key), dynamodb (table) or lambda (function), with *",
  },
  port: { type: "string", valueHint: "N", description: "With --sign: the port of 127.0.0.1 in the sandbox" },
  listen: { type: "boolean", description: "With --sign: serve it on 127.0.0.1 of this host, too" },
} as const satisfies ArgsDef;

/** Without the environment, which is no term. */
export type RequestedTerms = Omit<RequestOf<"GrantMake">, "directory" | "environment">;

/** The config, or what stands for a profile in place of one. @throws KeyholeError `usage` */
export function identityOf({ config, profile }: Pick<ArgValues<typeof termOptions>, "config" | "profile">): string {
  if (config !== undefined && profile !== undefined) throw usage("--config and --profile exclude each other");
  if (profile !== undefined) return checkProfileName(profile);
  if (config === undefined) throw usage("--config is missing, or --profile");
  return checkConfigName(config);
}

/** @throws KeyholeError `usage` that names the option and never the value, `no-such-config`. */
export async function readTerms(
  name: string,
  args: ArgValues<typeof termOptions>,
  { settings, host }: Pick<CommandContext, "settings" | "host">,
): Promise<RequestedTerms> {
  const config = identityOf(args);
  const sign = await readSigning(args);
  const isFile = args.deliver === "file";
  const mountAt = checkMountPath(args["mount-at"]);
  const terms = {
    name: checkNewGrantName(name),
    config,
    tags: args.tag.map(readTag),
    sourceIdentity: args["source-identity"],
    durationSeconds: args.duration === undefined ? undefined : parseSpan(args.duration, "--duration"),
    deliver: sign === undefined ? (args.deliver ?? "socket") : "sign",
    mountAt,
    // A lease is read with cat.
    executable: isFile ? "none" : readExecutable(args, mountAt, sign === undefined ? undefined : "full"),
    arch: isFile ? undefined : args.arch,
    allowUids: args["allow-uid"].map((text) => parseWhole(text, "--allow-uid", IDS, HINT)),
    allowGids: args["allow-gid"].map((text) => parseWhole(text, "--allow-gid", IDS, HINT)),
    rate: args.rate === undefined ? (sign === undefined ? DEFAULT_RATE : SIGNING_RATE) : parseRate(args.rate, "--rate"),
    maxUses: args["max-uses"] === undefined ? undefined : parseWhole(args["max-uses"], "--max-uses", USES, HINT),
    confirm: sign === undefined && args.confirm.length > 0,
    sign,
    ttlSeconds: args.ttl === undefined ? undefined : parseSpan(args.ttl, "--ttl"),
  };
  refuseExecutable(terms);
  const [problem] = isFile ? fileProblems(terms) : sign === undefined ? [] : signProblems(terms);
  if (problem !== undefined) throw usage(problem);
  const chosen = await readPolicyChoice(args.policy, config, settings.paths.configDir, host);
  return { ...terms, policy: chosen.policy, policyArns: [...chosen.policyArns, ...args["policy-arn"]] };
}

const PORTS = { least: 1024, most: 65_535 };

/** @throws KeyholeError `usage` for a pattern that means nothing, and for options that exclude each other */
async function readSigning(args: ArgValues<typeof termOptions>): Promise<SignTerms | undefined> {
  const { allow, deny, region: regions, resource: resources, port, listen } = args;
  const confirm = args.confirm.filter((pattern) => pattern !== "");
  if (!args.sign) {
    const given = Object.entries({ allow, deny, region: regions, resource: resources }).filter(
      ([, list]) => list.length > 0,
    );
    const [name] = [
      ...given.map(([each]) => each),
      ...(port === undefined ? [] : ["port"]),
      ...(listen ? ["listen"] : []),
    ];
    if (name !== undefined) throw usage(`--${name} is for a grant that signs: add --sign`);
    if (confirm.length > 0) throw usage("--confirm takes operations of a grant that signs: add --sign");
    return undefined;
  }
  if (args.deliver !== undefined)
    throw usage("--sign and --deliver exclude each other: a grant that signs delivers no credentials");
  const { explainPattern, explainResource } = await import("../../signer/policy.ts");
  for (const pattern of [...allow, ...deny, ...confirm]) refuseWith(explainPattern(pattern));
  for (const resource of resources) refuseWith(explainResource(resource));
  for (const region of regions)
    if (!/^[a-z]{2,}(?:-[a-z]+)+-\d+$/.test(region)) throw usage("--region must be a region of AWS, like eu-west-1");
  const isAsked = args.confirm.includes("");
  return {
    allow,
    deny,
    confirm: isAsked ? ["*:*"] : confirm,
    regions,
    resources,
    port: port === undefined ? 0 : parseWhole(port, "--port", PORTS, HINT),
    listen,
  };
}

function refuseWith(problem: string | undefined): void {
  if (problem !== undefined) throw usage(problem);
}

/** Where this runs, which is where the daemon does. */
const MACHINE: GrantMachine = { platform: process.platform, cpu: process.arch };

function readExecutable(
  { executable, "no-executable": isLeftOut }: Pick<ArgValues<typeof termOptions>, "executable" | "no-executable">,
  mountAt: string,
  usual: Executable = defaultExecutable(mountAt, MACHINE),
): Executable {
  if (!isLeftOut) return executable ?? usual;
  if (executable === undefined || executable === "none") return "none";
  throw usage(`--no-executable and --executable ${executable} exclude each other`);
}

/** @throws KeyholeError `usage` for an executable that no grant of this machine can have */
export function refuseExecutable(terms: Parameters<typeof executableProblem>[0], hint = HINT): void {
  const problem = executableProblem(terms, MACHINE);
  if (problem !== undefined) throw new KeyholeError("usage", problem, hint);
}

async function readPolicyChoice(
  policy: string | undefined,
  config: string,
  configDir: string,
  host: Pick<Host, "cwd" | "readForeign">,
): Promise<PolicyChoice> {
  if (policy === undefined) return { policy: undefined, policyArns: [] };
  if (profileOf(config) !== undefined)
    throw usage("--policy is for a config that assumes a role: what a profile has cannot be narrowed");
  const [{ openConfigStore }, { isPreset, resolvePolicy }] = await Promise.all([
    import("../../config/store.ts"),
    import("../../grants/policies.ts"),
  ]);
  const { RoleArn = "" } = openConfigStore(configDir).read(config).config.AssumeRole ?? {};
  const text = isPreset(policy) ? undefined : await readPolicy(policy, host);
  return resolvePolicy(policy, RoleArn, () => {
    if (text === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    return text;
  });
}

async function readPolicy(path: string, host: Pick<Host, "cwd" | "readForeign">): Promise<string | undefined> {
  const [text] = OWN_STREAM.test(path)
    ? [await readStream(path)]
    : await host.readForeign([absolutePath(path, () => host.cwd())]);
  if (text instanceof KeyholeError) throw text;
  if (text !== undefined && text.length > POLICY_LIMIT) throw usage("the policy is longer than 64 KiB");
  return text;
}

/** `<(jq …)` and `/dev/stdin`: what the caller has opened for us, no other process can. */
const OWN_STREAM = /^\/dev\/(?:stdin|fd\/\d+)$/;

async function readStream(path: string): Promise<string> {
  let text = "";
  const descriptor = Number(/\d+$/.exec(path)?.[0] ?? 0);
  for await (const chunk of Bun.file(descriptor).stream()) {
    text += Buffer.from(chunk).toString("utf8");
    if (text.length > POLICY_LIMIT) break;
  }
  return text;
}

function readTag(text: string): { key: string; value: string } {
  const equals = text.indexOf("=");
  if (equals < 1) throw usage("--tag must be K=V");
  return { key: text.slice(0, equals), value: text.slice(equals + 1) };
}

function usage(message: string): KeyholeError {
  return new KeyholeError("usage", message, HINT);
}
