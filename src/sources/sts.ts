// The daemon's CredentialSource: AWS STS.
import { LONGEST_CHAINED, type WebIdentitySection } from "../config/config.ts";
import type { Credentials } from "../credentials.ts";
import { isErrorOf, KeyholeError } from "../errors.ts";
import { appendChain } from "../loop.ts";
import type { Codes, UsedCodes } from "./codes.ts";
import { createDevices } from "./devices.ts";
import { readKnownSource, type ResolvedSource } from "./given-keys.ts";
import { createHops } from "./hops.ts";
import { createIssuing, explain, type Given, passThrough } from "./issuing.ts";
import type { Chain } from "./resolve/chain.ts";
import { createChildSlots } from "./resolve/child-slots.ts";
import { rereadInChild, resolveInChild, type SpawnOptions } from "./resolve/spawn.ts";
import { createStamps } from "./resolve/stamp.ts";
import type {
  AssumedRole,
  AssumeRequest,
  CallerIdentity,
  CredentialSource,
  IdentityRequest,
  ReadFiles,
  RoleRequest,
  SourceEnvironment,
} from "./source.ts";
import { createFlightCache, createSourceCache, keepUntil } from "./source-cache.ts";
import { sourceRequest, wayRequest } from "./source-requests.ts";
import { type ClockReading, createClocks } from "./sts/clocks.ts";
import { StsFailed } from "./sts/failure.ts";
import { isChainingRefusal, isStaleSource } from "./sts/refusal.ts";
import { ownFilesOf, refuseOwnWay, targetOf, type Target } from "./sts/target.ts";
import type { OperationName, Operations, StsTransport } from "./sts/transport.ts";
import { keyOfSurroundings } from "../surroundings.ts";

export interface StsSourceOptions extends SpawnOptions {
  readonly transport: StsTransport;
  /** What starts a reader of files that is asked for stamps. */
  readonly reader: readonly string[];
  readonly codes: Codes;
  readonly used: UsedCodes;
}

/** Children of each kind at once, so that a thousand renewals do not become a thousand processes. */
const MAX_CHILDREN = 32;

/** A config that another one names as its `Source`. */
interface OtherUse {
  readonly request: AssumeRequest;
  /** Of the requester, without a mark of this call. */
  readonly environment: SourceEnvironment;
  readonly signal: AbortSignal;
}

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
  const calls = createIssuing({ user: options.user, devices, call });
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
    const find = async () => {
      const chain = await sources.get(wanted);
      if (request.isForAll) refuseOwnWay(chain.way, request.environment, options.base["HOME"]);
      if (known === undefined) onRead(chain.files);
      return chain;
    };
    let found = await find();
    const target = targetOf(request.config, found.way);
    let source = await walkOn(request, found.way, known ?? sourceOf(found));
    let duration = source.chained ? chainedDuration(request) : undefined;
    const { AssumeRole: role, GetSessionToken: token } = request.config;
    if (role === undefined && token === undefined) return passThrough(source, target.namedRegion, clock.wall());
    let renewed = known !== undefined;
    for (;;) {
      try {
        if (role === undefined) return await calls.openSession(request, token ?? {}, target, source);
        return await calls.assume(request, role, target, { source, duration });
      } catch (error) {
        if (duration === undefined && isChainingRefusal(error)) {
          duration = LONGEST_CHAINED;
          continue;
        }
        if (!isStaleSource(error) || known) throw explain(error, request, target, source);
        sources.drop(found);
        if (renewed) throw explain(error, request, target, source);
        renewed = true;
        found = await find();
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
  async function assumeWithToken(request: AssumeRequest, section: WebIdentitySection): Promise<Given> {
    const { way, token } = await sources.get({ ...sourceRequest(request), wants: "token" });
    if (token === undefined) throw new KeyholeError("internal", "there is no token");
    if (request.isForAll) refuseOwnWay(way, request.environment, options.base["HOME"]);
    return calls.withToken(request, section, targetOf(request.config, way), token);
  }

  const reach = (request: RoleRequest) => sources.get(wayRequest(request, undefined));

  async function identify(request: IdentityRequest, credentials: Credentials): Promise<CallerIdentity> {
    const { way } = await reach(request);
    if (request.isForAll) refuseOwnWay(way, request.environment, options.base["HOME"]);
    const target = targetOf(request.config, way);
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
    wayOf: async (request) => {
      const { way } = await reach(request);
      // What the config names itself comes before any file's.
      const isOfFile = way.isOfFile && request.config.STS?.endpoint_url === undefined;
      return {
        region: targetOf(request.config, way).namedRegion,
        ownFiles: isOfFile ? ownFilesOf(request.environment, options.base["HOME"]) : undefined,
      };
    },
  };
}

function sourceOf({ source }: Chain): ResolvedSource {
  if (source === undefined) throw new KeyholeError("internal", "the source credentials were not asked for");
  return source;
}

/** A hash, because the environment may hold secrets that need not be kept for the sake of a key. */
function keyOfOther({ request, environment }: OtherUse): string {
  const { config, surroundings, asksSurroundings, isForAll } = request;
  const told = [surroundings && keyOfSurroundings(surroundings), asksSurroundings, isForAll];
  return new Bun.CryptoHasher("sha256").update(JSON.stringify([config, environment, told])).digest("base64");
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

/** Undefined where the config asks for no more than a chained role may have. */
function chainedDuration({ config }: AssumeRequest): number | undefined {
  return (config.AssumeRole?.DurationSeconds ?? 0) > LONGEST_CHAINED ? LONGEST_CHAINED : undefined;
}

function sameKeys(one: Credentials, other: Credentials): boolean {
  return one.accessKeyId === other.accessKeyId && one.sessionToken === other.sessionToken;
}
