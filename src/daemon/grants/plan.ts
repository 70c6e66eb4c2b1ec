// A grant as it is asked for, checked, and made a definition. Nothing is made here but the definition.
import type { Config } from "../../config/config.ts";
import { KeyholeError } from "../../errors.ts";
import { splitEnvironment } from "../../grants/environment.ts";
import { type Grant, type Runner, termsOf } from "../../grants/grant.ts";
import { SHORTEST_DURATION } from "../../grants/limits.ts";
import { checkMountPath } from "../../grants/mount.ts";
import { checkNewGrantName } from "../../grants/name.ts";
import { isRate } from "../../grants/rate.ts";
import { applyScope } from "../../grants/scope.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import type { RequestOf } from "../../wire/messages.ts";
import type { Clocks } from "./ending.ts";

export interface GrantRequest extends RequestOf<"GrantAdd"> {
  /** Of the config; undefined for the default one. */
  readonly directory: string | undefined;
  /** What asks for a grant that ends with it. */
  readonly runner: Runner | undefined;
}

/**
 * Seconds that a grant lives at least: the shortest session, the margin that bound.ts keeps for the way to STS, and as
 * much again for waiting in a queue. Who asks for 15 minutes gets these.
 */
const SHORTEST_LIFE = SHORTEST_DURATION + 30;

/**
 * The definition of a grant that begins now.
 *
 * @throws KeyholeError `usage` for a name that is none, `invalid-grant` with everything that is wrong.
 */
export function planGrant(
  request: GrantRequest,
  config: Config,
  environment: SourceEnvironment,
  now: Clocks,
  id: string,
): Grant {
  checkNewGrantName(request.name);
  const problems = [...findTermProblems(request)];
  const deliver = request.deliver === "file" ? "file" : "socket";
  const { kept, hadKeys } = splitEnvironment(environment);
  const grant: Grant = {
    ...termsOf(request),
    deliver,
    // A directory with a lease has none: `cat` reads the lease.
    executable: request.executable && deliver === "socket",
    id,
    sessionName: `keyhole-${request.name}-${randomHex(4)}`,
    ...lifeOf(request, now),
    revokedAt: undefined,
    uses: 0,
    environment: kept,
    hadKeys,
    keyId: hadKeys ? environment["AWS_ACCESS_KEY_ID"] : undefined,
    configDir: request.directory,
    runner: request.runner,
  };
  if (problems.length > 0) throw new KeyholeError("invalid-grant", problems.join("\n"));
  applyScope(config, grant);
  return grant;
}

/** The life of a grant that begins now. */
export function lifeOf(
  { ttlSeconds }: Pick<GrantRequest, "ttlSeconds">,
  { wall, local }: Clocks,
): Pick<Grant, "createdAt" | "endsAt" | "clockSkew"> {
  const createdAt = Math.floor(wall);
  const endsAt = ttlSeconds === undefined ? undefined : createdAt + Math.max(ttlSeconds, SHORTEST_LIFE) * 1000;
  return { createdAt, endsAt, clockSkew: Math.round(wall - local) };
}

function* findTermProblems(request: GrantRequest): Generator<string> {
  const { deliver, mountAt, rate, ttlSeconds, maxUses, allowUids, allowGids, confirm } = request;
  if (deliver !== "socket" && deliver !== "file") yield "a grant is delivered as socket or as file";
  if (ttlSeconds !== undefined && ttlSeconds < SHORTEST_DURATION)
    yield `a grant lives for ${SHORTEST_DURATION / 60} minutes at least: STS issues no shorter session`;
  if (!isRate(rate)) yield "the rate is none: it is requests in a time, like 10/s";
  if (maxUses === 0) yield "a grant that may be used 0 times gives nothing";
  const problem = problemOf(() => checkMountPath(mountAt));
  if (problem !== undefined) yield problem;
  if (deliver !== "file") return;
  // Whoever can read the file has the credentials: nobody is there to count, to compare or to ask.
  if (maxUses !== undefined) yield "how often a file is read cannot be counted: use socket delivery with --max-uses";
  if (allowUids.length + allowGids.length > 0)
    yield "who reads a file cannot be checked: use socket delivery with --allow-uid and --allow-gid";
  if (confirm) yield "who reads a file cannot be asked about: use socket delivery with --confirm";
}

function problemOf(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof KeyholeError) return error.message;
    throw error;
  }
}

function randomHex(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");
}
