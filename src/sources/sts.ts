// The daemon's CredentialSource: AWS STS.
import type { AssumeRoleCommandOutput, STSClient } from "@aws-sdk/client-sts";
import { type CredentialFields, Credentials } from "../credentials.ts";
import { refuseLoop } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { createSourceCache, type SourceRequest } from "./cache.ts";
import { createClient, loadSdk } from "./client.ts";
import { type Exchange, hasProxy } from "./handler.ts";
import { readKnownSource, type ResolvedSource } from "./known.ts";
import { type MfaCode, obtainCode } from "./mfa.ts";
import { buildParameters, defaultSessionName } from "./parameters.ts";
import { createPlaces } from "./places.ts";
import { namedProfile } from "./profile.ts";
import { explainFailure, isChainingRefusal, isStaleSource } from "./refusal.ts";
import type { AssumedRole, AssumeRequest, CallerIdentity, CredentialSource, RoleRequest } from "./source.ts";
import { resolveInChild, spawnEnvironment, type SpawnOptions } from "./spawn.ts";
import { resolveTarget, type Target } from "./target.ts";

export interface StsSourceOptions extends SpawnOptions {
  /** The name of the user the daemon runs as, for role session names. */
  readonly user: string;
}

/** Seconds that a role assumed by a role lives at most (SDKS.md, 2). */
const LONGEST_CHAINED = 3_600;

/** Children of each kind at once, so that a thousand renewals do not become a thousand processes. */
const MAX_CHILDREN = 32;

/** One AssumeRole as it goes to STS, with what may change between two tries. */
interface Attempt {
  readonly source: ResolvedSource;
  /** Overrides the config's; seconds. */
  readonly duration: number | undefined;
}

export function createStsSource(options: StsSourceOptions): CredentialSource {
  const { clock } = options;
  const resolvers = createPlaces(MAX_CHILDREN, clock);
  const codes = createPlaces(MAX_CHILDREN, clock);
  const sources = createSourceCache(clock, (request) => resolvers(request, () => resolveInChild(options, request)));
  const isProxied = hasProxy(options.base);
  let skew = 0;

  async function assume(request: AssumeRequest): Promise<AssumedRole> {
    refuseLoop(request.environment, request.name, options.socketPath);
    const target = await resolveTarget(request.config, request.environment);
    const known = readKnownSource(request.config, request.environment);
    const wanted = sourceRequest(request);
    let source = known ?? (await sources.get(wanted));
    let duration = source.chained ? chainedDuration(request) : undefined;
    let renewed = known !== undefined;
    for (;;) {
      try {
        return await assumeOnce(request, target, { source, duration });
      } catch (error) {
        if (duration === undefined && isChainingRefusal(error)) {
          duration = LONGEST_CHAINED;
          continue;
        }
        if (!isStaleSource(error) || known) throw explain(error, request, target, source);
        sources.drop(wanted, source);
        const fresh = renewed ? source : await sources.get(wanted);
        renewed = true;
        if (sameKeys(fresh.credentials, source.credentials)) throw explain(error, request, target, source);
        source = fresh;
      }
    }
  }

  async function assumeOnce(request: AssumeRequest, target: Target, attempt: Attempt): Promise<AssumedRole> {
    const { name, config, signal } = request;
    const environment = spawnEnvironment(options, request);
    const obtain = (): Promise<MfaCode> => obtainCode({ name, config, environment, clock, signal });
    const { code, notes } = await (config.MFA === undefined ? obtain() : codes(request, obtain));
    const parameters = buildParameters(config.AssumeRole, {
      sessionName: config.AssumeRole.RoleSessionName ?? defaultSessionName(options.user, name),
      duration: attempt.duration,
      tokenCode: code,
    });
    const { AssumeRoleCommand } = await loadSdk();
    const { output, clockSkew } = await request.turn(() =>
      call(target, attempt.source.credentials, (client) =>
        client.send(new AssumeRoleCommand(parameters), { abortSignal: signal }),
      ),
    );
    return {
      ...readOutput(output),
      region: target.namedRegion,
      sourceDescription: attempt.source.description,
      clockSkew,
      notes: [...notes, ...durationNotes(request, attempt)],
    };
  }

  async function identify(request: RoleRequest, credentials: Credentials): Promise<CallerIdentity> {
    const target = await resolveTarget(request.config, request.environment);
    const { GetCallerIdentityCommand } = await loadSdk();
    try {
      const { output } = await call(target, credentials, (client) =>
        client.send(new GetCallerIdentityCommand({}), { abortSignal: request.signal }),
      );
      if (!output.UserId || !output.Account || !output.Arn) throw incomplete();
      return { userId: output.UserId, account: output.Account, arn: output.Arn };
    } catch (error) {
      throw explain(error, request, target, { credentials, description: "", chained: true });
    }
  }

  /** Sends with a client of its own, and measures the clock by the last answer. */
  async function call<Output>(
    target: Target,
    credentials: CredentialFields,
    send: (client: STSClient) => Promise<Output>,
  ): Promise<{ output: Output; clockSkew: number | undefined }> {
    let clockSkew: number | undefined;
    const onAnswer = (exchange: Exchange): void => {
      clockSkew = measureSkew(exchange);
      skew = clockSkew ?? skew;
    };
    const client = await createClient({ clock, target, credentials, skew, isProxied, onAnswer });
    try {
      const output = await send(client);
      return { output, clockSkew };
    } finally {
      client.destroy();
    }
  }

  return { assume, identify };
}

function sourceRequest({ name, config, environment, signal }: AssumeRequest): SourceRequest {
  return { name, profile: namedProfile(config, environment), environment, signal };
}

/** Undefined where the config asks for no more than a chained role may have. */
function chainedDuration({ config }: AssumeRequest): number | undefined {
  return (config.AssumeRole.DurationSeconds ?? 0) > LONGEST_CHAINED ? LONGEST_CHAINED : undefined;
}

function durationNotes({ config }: AssumeRequest, { duration }: Attempt): string[] {
  if (duration === undefined) return [];
  return [
    `DurationSeconds is ${duration} instead of ${config.AssumeRole.DurationSeconds ?? "the default"}: the source credentials are a role's session (role chaining)`,
  ];
}

/** Ceph RGW writes `AssumeRoleId` for `AssumedRoleId`, and its ARNs have no account. */
function readOutput(output: AssumeRoleCommandOutput): Pick<AssumedRole, "credentials" | "assumedRoleId" | "arn"> {
  const { Credentials: issued, AssumedRoleUser: user } = output;
  if (!issued?.AccessKeyId || !issued.SecretAccessKey || !issued.SessionToken || !issued.Expiration) throw incomplete();
  if (!user?.Arn) throw incomplete();
  return {
    credentials: new Credentials({
      accessKeyId: issued.AccessKeyId,
      secretAccessKey: issued.SecretAccessKey,
      sessionToken: issued.SessionToken,
      expiresAt: issued.Expiration.getTime(),
      accountId: user.Arn.split(":")[4] || undefined,
    }),
    assumedRoleId: user.AssumedRoleId ?? "",
    arn: user.Arn,
  };
}

function incomplete(): KeyholeError {
  return new KeyholeError("network", "the answer of STS is incomplete");
}

/** AWS's clock minus this machine's, at the middle of the exchange. */
function measureSkew({ sentAt, receivedAt, date }: Exchange): number | undefined {
  return date === undefined ? undefined : Math.round(date - (sentAt + receivedAt) / 2);
}

function sameKeys(one: Credentials, other: Credentials): boolean {
  return one.accessKeyId === other.accessKeyId && one.sessionToken === other.sessionToken;
}

function explain(error: unknown, request: RoleRequest, target: Target, source: ResolvedSource): KeyholeError {
  const { AssumeRole } = request.config;
  const { secretAccessKey, sessionToken } = source.credentials;
  return explainFailure(error, {
    name: request.name,
    roleArn: AssumeRole.RoleArn,
    region: target.region,
    renewal: source.renewal,
    secrets: [secretAccessKey, sessionToken, AssumeRole.ExternalId, AssumeRole.TokenCode],
  });
}
