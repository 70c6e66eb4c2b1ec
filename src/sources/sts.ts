// The daemon's CredentialSource: AWS STS.
import type { AssumeRoleSection, Config, GetSessionTokenSection, WebIdentitySection } from "../config/config.ts";
import { Credentials } from "../credentials.ts";
import { KeyholeError } from "../errors.ts";
import { createSourceCache, type SourceRequest } from "./cache.ts";
import type { Chain } from "./chain.ts";
import { type ClockReading, createClocks } from "./clocks.ts";
import { StsFailed } from "./failure.ts";
import { HELPER_PATIENCE } from "./helper.ts";
import { readKnownSource, type ResolvedSource, UNSIGNED } from "./known.ts";
import { type MfaCode, mfaPatience, obtainCode } from "./mfa.ts";
import { buildParameters, defaultSessionName } from "./parameters.ts";
import { createPlaces } from "./places.ts";
import { explainFailure, isChainingRefusal, isStaleSource } from "./refusal.ts";
import type { AssumedRole, AssumeRequest, CallerIdentity, CredentialSource, RoleRequest } from "./source.ts";
import { createStamps } from "./stamp.ts";
import { helperSetting, resolveInChild, spawnEnvironment, type SpawnOptions } from "./spawn.ts";
import { surroundingsWanted } from "../surroundings.ts";
import { type Target, targetOf } from "./target.ts";
import type { OperationName, Operations, StsTransport } from "./transport.ts";

export interface StsSourceOptions extends SpawnOptions {
  readonly transport: StsTransport;
}

/** Seconds that a role assumed by a role lives at most. */
const LONGEST_CHAINED = 3_600;

/** Children of each kind at once, so that a thousand renewals do not become a thousand processes. */
const MAX_CHILDREN = 32;

/** One AssumeRole as it goes to STS, with what may change between two tries. */
interface Attempt {
  readonly source: ResolvedSource;
  /** Overrides the config's; seconds. */
  readonly duration: number | undefined;
}

/** Holds the source credentials of a minute, and nothing that it assumed. */
export function createStsSource(options: StsSourceOptions): CredentialSource {
  const { clock } = options;
  const resolvers = createPlaces(MAX_CHILDREN, clock);
  const codes = createPlaces(MAX_CHILDREN, clock);
  const sources = createSourceCache(clock, (request, onLeft) =>
    resolvers(request, () => resolveInChild(options, request, onLeft)),
  );
  const clocks = createClocks();

  async function assume(request: AssumeRequest): Promise<AssumedRole> {
    if (request.config.WebIdentity !== undefined) return assumeWithToken(request, request.config.WebIdentity);
    const known = readKnownSource(request.config, request.environment);
    const wanted = known === undefined ? sourceRequest(request) : wayRequest(request, known);
    const found = await sources.get(wanted);
    const target = targetOf(request.config, found.way);
    let source = known ?? sourceOf(found);
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
        sources.drop(wanted, source);
        const fresh = renewed ? source : sourceOf(await sources.get(wanted));
        renewed = true;
        if (sameKeys(fresh.credentials, source.credentials)) throw explain(error, request, target, source);
        source = fresh;
      }
    }
  }

  /** The token is the source: no call more than the one. */
  async function assumeWithToken(
    request: AssumeRequest,
    { token_file: file }: WebIdentitySection,
  ): Promise<AssumedRole> {
    const { name, config, signal } = request;
    const { AssumeRole: role } = config;
    const { way, token } = await sources.get({ ...sourceRequest(request), wants: "token" });
    if (role === undefined || token === undefined) throw new KeyholeError("internal", "there is no role, or no token");
    const target = targetOf(config, way);
    const parameters = {
      RoleArn: role.RoleArn,
      RoleSessionName: role.RoleSessionName ?? defaultSessionName(options.user, name),
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
        sourceDescription: `web identity of ${file ?? "WebIdentity.command"}`,
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
  ): Promise<AssumedRole> {
    const { name, signal } = request;
    const { code, notes } = await codeFor(request);
    const parameters = buildParameters(role, {
      sessionName: role.RoleSessionName ?? defaultSessionName(options.user, name),
      duration: attempt.duration,
      tokenCode: code,
    });
    const { output, ...reading } = await request.turn(target.endpoint ?? target.region, () =>
      call("AssumeRole", parameters, target, attempt.source.credentials, signal),
    );
    return {
      ...output,
      credentials: new Credentials(output.credentials),
      region: target.namedRegion,
      sourceDescription: attempt.source.description,
      ...reading,
      notes: [...attempt.source.notes, ...notes, ...durationNotes(request, attempt)],
      ungrantable: undefined,
    };
  }

  /** A session of the user whose keys these are: GetSessionToken. */
  async function openSession(
    request: AssumeRequest,
    { DurationSeconds, SerialNumber }: GetSessionTokenSection,
    target: Target,
    source: ResolvedSource,
  ): Promise<AssumedRole> {
    const { code: TokenCode, notes } = await codeFor(request);
    const parameters = { DurationSeconds, SerialNumber, TokenCode };
    const { output, ...reading } = await request.turn(target.endpoint ?? target.region, () =>
      call("GetSessionToken", parameters, target, source.credentials, request.signal),
    );
    return {
      credentials: new Credentials(output),
      // Who it is, only AWS knows: `keyhole whoami` asks.
      assumedRoleId: "",
      arn: "",
      region: target.namedRegion,
      sourceDescription: source.description,
      ...reading,
      notes: [...source.notes, ...notes],
      ungrantable: undefined,
    };
  }

  async function codeFor(request: AssumeRequest): Promise<MfaCode> {
    const { name, config, signal } = request;
    if (config.MFA !== undefined && request.asksSurroundings)
      throw surroundingsWanted(`MFA.command of config '${name}'`);
    const environment = spawnEnvironment(options, request);
    const helper = helperSetting(options, request.surroundings, environment);
    const obtain = (): Promise<MfaCode> => obtainCode({ name, config, environment, helper, clock, signal });
    return config.MFA === undefined ? obtain() : codes(request, obtain);
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
    stamp: createStamps(clock),
    regionOf: async (request) => (await reach(request)).namedRegion,
  };
}

/** Milliseconds that the source of a config may take, beside what AWS takes. */
export function sourcePatience(config: Config): number {
  return helperPatience(config) + mfaPatience(config);
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
function passThrough({ credentials, ...source }: ResolvedSource, region: string | undefined, now: number): AssumedRole {
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
      mfa: request.config.MFA !== undefined ? "command" : code !== undefined ? "code" : "none",
      hasExternalId: AssumeRole?.ExternalId !== undefined,
      profile: undefined,
    },
  });
}
