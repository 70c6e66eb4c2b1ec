// The daemon's CredentialSource: AWS STS.
import {
  type AssumeRoleSection,
  type Config,
  type GetSessionTokenSection,
  LONGEST_CHAINED,
  type WebIdentitySection,
} from "../config/config.ts";
import { type CredentialFields, Credentials } from "../credentials.ts";
import { isErrorOf, KeyholeError } from "../errors.ts";
import { appendChain } from "../loop.ts";
import { createFlightCache, createSourceCache, keepUntil, type SourceRequest } from "./source-cache.ts";
import type { Chain } from "./resolve/chain.ts";
import { type ClockReading, createClocks } from "./sts/clocks.ts";
import type { Codes, UsedCodes } from "./codes.ts";
import { StsFailed } from "./sts/failure.ts";
import { HELPER_PATIENCE } from "./helper.ts";
import { readKnownSource, type ResolvedSource, UNSIGNED } from "./given-keys.ts";
import { createDevices, DEVICE_SESSION, type DeviceUse, takesCodeItself } from "./devices.ts";
import { createHops } from "./hops.ts";
import { mfaOf, mfaPatience } from "./mfa.ts";
import { buildParameters, defaultSessionName } from "./sts/parameters.ts";
import { createChildSlots } from "./resolve/child-slots.ts";
import { explainFailure, isChainingRefusal, isStaleSource } from "./sts/refusal.ts";
import type {
  AssumedRole,
  AssumeRequest,
  CallerIdentity,
  CredentialSource,
  ReadFiles,
  RoleRequest,
  SourceEnvironment,
} from "./source.ts";
import { keyOfSurroundings } from "../surroundings.ts";
import { createStamps } from "./resolve/stamp.ts";
import { rereadInChild, resolveInChild, type SpawnOptions } from "./resolve/spawn.ts";
import { describeSts, refuseOwnWay, type Target, targetOf } from "./sts/target.ts";
import type { IssuedRole, OperationName, Operations, StsTransport } from "./sts/transport.ts";

export interface StsSourceOptions extends SpawnOptions {
  readonly transport: StsTransport;
  /** What starts a reader of files that is asked for stamps. */
  readonly reader: readonly string[];
  readonly codes: Codes;
  readonly used: UsedCodes;
}

/** Children of each kind at once, so that a thousand renewals do not become a thousand processes. */
const MAX_CHILDREN = 32;

/** One AssumeRole as it goes to STS, with what may change between two tries. */
interface Attempt {
  readonly source: ResolvedSource;
  /** Overrides the config's; seconds. */
  readonly duration: number | undefined;
}

/** A config that another one names as its `Source`. */
interface OtherUse {
  readonly request: AssumeRequest;
  /** Of who asks, without a mark of this call. */
  readonly environment: SourceEnvironment;
  readonly signal: AbortSignal;
}

type Given = Omit<AssumedRole, "files">;

/** Holds the source credentials of a minute, and sessions of MFA devices; nothing else that it assumed. */
export function createStsSource(options: StsSourceOptions): CredentialSource {
  const { clock } = options;
  const resolvers = createChildSlots(MAX_CHILDREN, clock);
  const sources = createSourceCache(clock, (request, onLeft) =>
    resolvers(request, () => resolveInChild(options, request, onLeft)),
  );
  const clocks = createClocks();
  const { stamp, stampPaths } = createStamps(clock, options.reader);
  const devices = createDevices({ ...options, call });
  const walkOn = createHops({ clock, user: options.user, devices, call });
  const others = createFlightCache<OtherUse, AssumedRole>({
    clock,
    keyOf: keyOfOther,
    keepFor: ({ credentials }, now) => keepUntil(credentials.expiresAt, now),
    work: ({ request, signal }) => assume({ ...request, signal }),
  });

  async function assume(request: AssumeRequest): Promise<AssumedRole> {
    // Keys of an environment, or of a config, are not the files'.
    let files: ReadFiles = { paths: [], stamp: "", digest: "" };
    const given = await assumeReading(request, (read) => (files = read));
    return { ...given, files };
  }

  /** @param onRead told of the files that the source was read from */
  async function assumeReading(request: AssumeRequest, onRead: (files: ReadFiles) => void): Promise<Given> {
    if (request.config.WebIdentity !== undefined) return assumeWithToken(request, request.config.WebIdentity);
    const known = (await otherConfig(request)) ?? readKnownSource(request.config, request.environment);
    const wanted = known === undefined ? sourceRequest(request) : wayRequest(request, known);
    let found = await sources.get(wanted);
    if (request.isForAll) refuseOwnWay(found.way, request.environment, options.base["HOME"]);
    if (known === undefined) onRead(found.files);
    const target = targetOf(request.config, found.way);
    let source = await walkOn(request, found.way, known ?? sourceOf(found));
    let duration = source.chained ? chainedDuration(request) : undefined;
    const { AssumeRole: role, GetSessionToken: token } = request.config;
    if (role === undefined && token === undefined) return passThrough(source, target.namedRegion, clock.wall());
    let renewed = known !== undefined;
    for (;;) {
      try {
        if (role === undefined) return await openSession(request, token ?? {}, target, source);
        return await assumeOnce(request, role, target, { source, duration });
      } catch (error) {
        if (duration === undefined && isChainingRefusal(error)) {
          duration = LONGEST_CHAINED;
          continue;
        }
        if (!isStaleSource(error) || known) throw explain(error, request, target, source);
        sources.drop(found);
        if (renewed) throw explain(error, request, target, source);
        renewed = true;
        found = await sources.get(wanted);
        onRead(found.files);
        const fresh = await walkOn(request, found.way, sourceOf(found));
        if (sameKeys(fresh.credentials, source.credentials)) throw explain(error, request, target, source);
        source = fresh;
      }
    }
  }

  /** What `Source` names is assumed first, with what that one is assumed with. */
  async function otherConfig(request: AssumeRequest): Promise<ResolvedSource | undefined> {
    const { Source: named, sources: [source, ...further] = [] } = request.config;
    if (named === undefined) return undefined;
    if (source?.name !== named) throw new KeyholeError("internal", "the source of the config was not read");
    const { environment, signal } = request;
    const config = { ...source.config, sources: further };
    // A helper of the other config that asks for this one waits for itself.
    const marked = appendChain(environment, request.name, options.socketPath);
    const inner = { ...request, name: named, config, environment: marked, bound: undefined };
    const use = { request: inner, environment, signal };
    const { credentials, notes } = await untilOwn(() => others.get(use), signal);
    const chained = config.AssumeRole !== undefined;
    return { credentials, description: `config ${named}`, chained, renewal: undefined, notes, rest: [] };
  }

  /** The token is the source: no call more than the one. */
  async function assumeWithToken(request: AssumeRequest, { token_file: file }: WebIdentitySection): Promise<Given> {
    const { name, config, signal } = request;
    const { AssumeRole: role } = config;
    const { way, token } = await sources.get({ ...sourceRequest(request), wants: "token" });
    if (role === undefined || token === undefined) throw new KeyholeError("internal", "there is no role, or no token");
    if (request.isForAll) refuseOwnWay(way, request.environment, options.base["HOME"]);
    const target = targetOf(config, way);
    const parameters = {
      RoleArn: role.RoleArn,
      RoleSessionName: role.RoleSessionName ?? defaultSessionName(options.user(), name),
      WebIdentityToken: token,
      Policy: role.Policy,
      PolicyArns: role.PolicyArns?.map((arn) => ({ arn })),
      DurationSeconds: role.DurationSeconds,
    };
    try {
      const { output, ...reading } = await request.turn(target.endpoint ?? target.region, () =>
        call("AssumeRoleWithWebIdentity", parameters, target, UNSIGNED, signal),
      );
      return {
        ...output,
        credentials: new Credentials(output.credentials),
        region: target.namedRegion,
        sourceDescription: `web identity of ${file ?? "WebIdentity.command"}, ${describeSts(target)}`,
        ...reading,
        notes: [],
        ungrantable: undefined,
      };
    } catch (error) {
      throw explain(error, request, target, {
        credentials: new Credentials({ accessKeyId: "unsigned", secretAccessKey: "unsigned", sessionToken: token }),
        renewal: undefined,
      });
    }
  }

  async function assumeOnce(
    request: AssumeRequest,
    role: AssumeRoleSection,
    target: Target,
    attempt: Attempt,
  ): Promise<Given> {
    const { name, config, signal } = request;
    const { source } = attempt;
    const {
      SerialNumber: serial,
      TokenCode: code,
      ...input
    } = buildParameters(role, {
      sessionName: role.RoleSessionName ?? defaultSessionName(options.user(), name),
      duration: attempt.duration,
      tokenCode: config.MFA === undefined ? role.TokenCode : undefined,
    });
    const send = (credentials: Credentials, more: object = {}) =>
      request.turn(target.endpoint ?? target.region, () =>
        call("AssumeRole", { ...input, ...more }, target, credentials, signal),
      );
    const isAsked = serial !== undefined && code === undefined;
    const { output, ...reading } = await (isAsked
      ? assumeWithDevice({ request, serial, target, source, input, send })
      : send(source.credentials, { SerialNumber: serial, TokenCode: code }));
    return {
      ...output,
      credentials: new Credentials(output.credentials),
      region: target.namedRegion,
      sourceDescription: `${source.description}, ${describeSts(target)}`,
      ...reading,
      notes: [...source.notes, ...codeNotes(config), ...durationNotes(request, attempt)],
      ungrantable: undefined,
    };
  }

  /** A session of the user whose keys these are: GetSessionToken. */
  async function openSession(
    request: AssumeRequest,
    { DurationSeconds, SerialNumber: serial, TokenCode: code }: GetSessionTokenSection,
    target: Target,
    source: ResolvedSource,
  ): Promise<Given> {
    const { credentials } = source;
    const isAsked = serial !== undefined && (request.config.MFA !== undefined || code === undefined);
    const input = { DurationSeconds, SerialNumber: serial, TokenCode: code };
    const { output, ...reading } = isAsked
      ? await openKept(request, serial, target, source, DurationSeconds)
      : await request.turn(target.endpoint ?? target.region, () =>
          call("GetSessionToken", input, target, credentials, request.signal),
        );
    return {
      credentials: new Credentials(output),
      // Who it is, only AWS knows: `keyhole whoami` asks.
      assumedRoleId: "",
      arn: "",
      region: target.namedRegion,
      sourceDescription: `${source.description}, ${describeSts(target)}`,
      ...reading,
      notes: [...source.notes, ...codeNotes(request.config)],
      ungrantable: undefined,
    };
  }

  /** The session of the device, which its roles use as well: AWS's clock was read when it was opened, and not now. */
  async function openKept(
    request: AssumeRequest,
    serial: string,
    target: Target,
    source: ResolvedSource,
    duration: number | undefined,
  ): Promise<{ readonly output: CredentialFields } & ClockReading> {
    const { credentials } = await devices.open({
      request,
      signal: request.signal,
      serial,
      credentials: source.credentials,
      target,
      duration: duration ?? DEVICE_SESSION,
      bound: request.bound,
      role: undefined,
      isOnce: false,
      explain: (error) => explain(error, request, target, source),
    });
    return { output: credentials, clockSkew: undefined, clock: "aws" };
  }

  async function assumeWithDevice({
    request,
    serial,
    target,
    source,
    input,
    send,
  }: {
    readonly request: AssumeRequest;
    readonly serial: string;
    readonly target: Target;
    readonly source: ResolvedSource;
    readonly input: Operations["AssumeRole"]["input"];
    readonly send: (credentials: Credentials) => Promise<{ readonly output: IssuedRole } & ClockReading>;
  }): Promise<{ readonly output: IssuedRole } & ClockReading> {
    const isDirect = takesCodeItself(input.DurationSeconds, source.credentials);
    const use: DeviceUse = {
      request,
      signal: request.signal,
      serial,
      credentials: source.credentials,
      target,
      duration: DEVICE_SESSION,
      bound: isDirect ? request.bound : undefined,
      role: isDirect ? input : undefined,
      isOnce: isDirect,
      explain: (error) => explain(error, request, target, source),
    };
    if (!isDirect) return devices.withSession(use, send);
    const opened = await devices.open(use);
    devices.drop(opened);
    if (opened.issued === undefined) throw new KeyholeError("internal", "the device opened no role");
    return { output: opened.issued, clockSkew: opened.clockSkew, clock: opened.clock };
  }

  async function reach(request: RoleRequest): Promise<Target> {
    const { way } = await sources.get(wayRequest(request, undefined));
    return targetOf(request.config, way);
  }

  async function identify(request: RoleRequest, credentials: Credentials): Promise<CallerIdentity> {
    const target = await reach(request);
    try {
      return (await call("GetCallerIdentity", {}, target, credentials, request.signal)).output;
    } catch (error) {
      throw explain(error, request, target, { credentials, renewal: undefined });
    }
  }

  async function reread(request: RoleRequest): Promise<ReadFiles> {
    const wanted = sourceRequest(request);
    const read = await resolvers(wanted, () => rereadInChild(options, wanted));
    sources.dropWhere(({ files }) => files.stamp !== read.stamp && Bun.deepEquals(files.paths, read.paths));
    return read;
  }

  /** Measures AWS's clock by every answer, a refusal as well. */
  async function call<Name extends OperationName>(
    name: Name,
    input: Operations[Name]["input"],
    target: Target,
    credentials: Credentials,
    signal: AbortSignal,
  ): Promise<{ output: Operations[Name]["output"] } & ClockReading> {
    const skew = clocks.skewOf(target);
    try {
      const { output, exchange } = await options.transport.send(name, input, { target, credentials, skew }, signal);
      return { output, ...clocks.measure(target, exchange) };
    } catch (error) {
      if (error instanceof StsFailed) clocks.measure(target, error.exchange);
      throw error;
    }
  }

  return {
    assume,
    identify,
    stamp,
    stampOf: ({ paths }) => stampPaths(paths),
    reread,
    regionOf: async (request) => (await reach(request)).namedRegion,
  };
}

/** Milliseconds that the source of a config may take, beside what AWS takes. */
export function sourcePatience(config: Config): number {
  const all = [config, ...(config.sources ?? []).map((source) => source.config)];
  return all.reduce((sum, each) => sum + helperPatience(each) + mfaPatience(each), 0);
}

function helperPatience({ Session, WebIdentity }: Config): number {
  const seconds = WebIdentity?.timeout ?? Session?.timeout;
  return seconds === undefined ? HELPER_PATIENCE : seconds * 1_000;
}

function sourceRequest({ name, config, environment, signal, ...told }: RoleRequest & Partial<Told>): SourceRequest {
  return {
    surroundings: told.surroundings,
    asksSurroundings: told.asksSurroundings ?? false,
    timeout: helperPatience(config),
    webIdentity: config.WebIdentity,
    name,
    profile: config.Session?.profile_name,
    wants: "source",
    verify: config.STS?.verify,
    environment,
    signal,
  };
}

/** Milliseconds for which keys without an end are handed out: they are read anew at half of it. */
const ENDLESS = 30 * 60_000;

/** A source's credentials, as they are. */
function passThrough({ credentials, ...source }: ResolvedSource, region: string | undefined, now: number): Given {
  const { accessKeyId, secretAccessKey, sessionToken, accountId, expiresAt = now + ENDLESS } = credentials;
  return {
    credentials: new Credentials({ accessKeyId, secretAccessKey, sessionToken, accountId, expiresAt }),
    // Who they are, only AWS knows: `keyhole whoami` asks.
    assumedRoleId: "",
    arn: "",
    packedPolicySize: undefined,
    region,
    sourceDescription: source.description,
    clockSkew: undefined,
    clock: "aws",
    notes: source.notes,
    ungrantable: whyUngrantable(credentials),
  };
}

/** A sandbox that is stopped must not keep what it had. */
function whyUngrantable({ accessKeyId, sessionToken, expiresAt }: Credentials): string | undefined {
  // What a helper calls a session token does not make a session of a user's own key.
  if (sessionToken === undefined || accessKeyId.startsWith("AKIA")) return "are long-lived keys";
  return expiresAt === undefined ? "do not say when they end" : undefined;
}

type Told = Pick<AssumeRequest, "surroundings" | "asksSurroundings">;

const KEYS = new Set(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]);

/** For how AWS is reached alone, which keys have no part in: requesters that differ in them ask once. */
function wayRequest(request: RoleRequest, known: ResolvedSource | undefined): SourceRequest {
  const variables = Object.entries(request.environment).filter(([name]) => !KEYS.has(name));
  const environment = Object.fromEntries(variables);
  const wants = known?.description === "environment" ? "check" : "way";
  return { ...sourceRequest(request), surroundings: undefined, asksSurroundings: false, wants, environment };
}

function sourceOf({ source }: Chain): ResolvedSource {
  if (source === undefined) throw new KeyholeError("internal", "the source credentials were not asked for");
  return source;
}

/** A hash, because the environment may hold secrets that need not be kept for the sake of a key. */
function keyOfOther({ request: { config, surroundings, asksSurroundings }, environment }: OtherUse): string {
  return new Bun.CryptoHasher("sha256")
    .update(JSON.stringify([config, environment, surroundings && keyOfSurroundings(surroundings), asksSurroundings]))
    .digest("base64");
}

/** A call is made in the turn of who asked first: where that one is not needed any more, the next asks. */
async function untilOwn<Result>(ask: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (signal.aborted || !isErrorOf(error, "interrupted")) throw error;
    return ask();
  }
}

function codeNotes({ MFA, AssumeRole, GetSessionToken }: Config): string[] {
  const section = GetSessionToken === undefined ? "AssumeRole" : "GetSessionToken";
  const isIgnored = MFA !== undefined && (GetSessionToken ?? AssumeRole)?.TokenCode !== undefined;
  return isIgnored ? [`${section}.TokenCode is ignored: MFA.command gives the code`] : [];
}

/** Undefined where the config asks for no more than a chained role may have. */
function chainedDuration({ config }: AssumeRequest): number | undefined {
  return (config.AssumeRole?.DurationSeconds ?? 0) > LONGEST_CHAINED ? LONGEST_CHAINED : undefined;
}

function durationNotes({ config }: AssumeRequest, { duration }: Attempt): string[] {
  if (duration === undefined) return [];
  return [
    `DurationSeconds is ${duration} instead of ${config.AssumeRole?.DurationSeconds ?? "the default"}: the source credentials are a role's session (role chaining)`,
  ];
}

function sameKeys(one: Credentials, other: Credentials): boolean {
  return one.accessKeyId === other.accessKeyId && one.sessionToken === other.sessionToken;
}

function explain(
  error: unknown,
  request: RoleRequest,
  target: Target,
  source: Pick<ResolvedSource, "credentials" | "renewal">,
): KeyholeError {
  const { AssumeRole, GetSessionToken } = request.config;
  const code = AssumeRole?.TokenCode ?? GetSessionToken?.TokenCode;
  const { secretAccessKey, sessionToken } = source.credentials;
  return explainFailure(error, {
    name: request.name,
    roleArn: AssumeRole?.RoleArn ?? "",
    region: target.region,
    renewal: source.renewal,
    secrets: [secretAccessKey, sessionToken, AssumeRole?.ExternalId, code],
    server: "STS",
    sent: {
      mfa: mfaOf(request.config),
      hasExternalId: AssumeRole?.ExternalId !== undefined,
      profile: undefined,
    },
  });
}
