// What a requester's files and environment say: the way to AWS, and the source credentials. Runs in a child process,
// because each of the files may hang, and the SDK's providers read the environment of their process.
import type { Config, WebIdentitySection } from "../../config/config.ts";
import { profileOf } from "../../config/name.ts";
import type { Clock } from "../../clock.ts";
import { isErrorOf, KeyholeError } from "../../errors.ts";
import { readForeign } from "../../files/foreign.ts";
import { markWalk } from "../../loop.ts";
import { CallsKeyhole, type HelperSetting } from "../helper.ts";
import { obtainToken } from "./token.ts";
import type { ResolvedSource } from "../given-keys.ts";
import { planSource, profileRefusal } from "./profile-plan.ts";
import { DEFAULT_PROFILE, digestOf, parseSharedConfig, type SharedConfig, sharedPaths } from "./profile.ts";
import type { ReadFiles, SourceEnvironment } from "../source.ts";
import { stampHere } from "./stamp.ts";
import { readWay, type Way } from "../sts/target.ts";
import { walk, type WalkContext } from "./walk.ts";

export interface ChainRequest {
  /** The config's name, for what is said to a person. */
  readonly name: string;
  /** The name of the user, for role sessions. */
  readonly user: string;
  /** The profile that the config names, where it names one. */
  readonly profile: string | undefined;
  /**
   * `way`: no more than how AWS is reached. `check`: and that a profile the environment names gives credentials, for who
   * has keys beside it. `source`: and source credentials. `files`: nothing but what the files say.
   */
  readonly wants: "files" | "way" | "check" | "source" | "token";
  /** Where the token is that `token` asks for, beside the way. */
  readonly webIdentity: WebIdentitySection | undefined;
  readonly verify: NonNullable<Config["STS"]>["verify"];
  /** Must be what `process.env` holds. */
  readonly environment: SourceEnvironment;
  /** For a helper, in place of `environment`; undefined: it gets that. */
  readonly helper: HelperSetting | undefined;
  /** A helper is not run, but `surroundings-wanted` thrown. */
  readonly asksSurroundings: boolean;
  /** Milliseconds that a helper may take. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly waitsFor: WalkContext["waitsFor"];
}

/** Plain data but for the credentials. */
export interface Chain extends Resolved {
  readonly files: ReadFiles;
}

interface Resolved {
  readonly way: Way;
  readonly source: ResolvedSource | undefined;
  readonly token: string | undefined;
}

/**
 * @throws KeyholeError `no-source-credentials`, `person-needed`, `credential-loop`, `aws-refused`, `throttled`,
 *   `network`, `invalid-config`.
 */
export async function resolveChain(request: ChainRequest): Promise<Chain> {
  const { shared, files } = await readFiles(request);
  return { ...(await resolveIn(request, shared)), files };
}

/** The files, without anything that they name. Throws as `resolveChain`. */
export async function readFiles({
  profile,
  environment,
  clock,
}: ChainRequest): Promise<{ readonly shared: SharedConfig; readonly files: ReadFiles }> {
  const paths = sharedPaths(environment).filter((path) => path !== undefined);
  // Without a stamp it will differ.
  const stamp = (await stampHere(paths, clock)) ?? "";
  const shared = await readSharedConfig(environment);
  // Where the environment's calls keyhole, the default one counts.
  const counting = profile === undefined ? [namedIn(environment) ?? DEFAULT_PROFILE, DEFAULT_PROFILE] : [profile];
  return { shared, files: { paths, stamp, digest: digestOf(shared, counting) } };
}

async function resolveIn(request: ChainRequest, shared: SharedConfig): Promise<Resolved> {
  const { name, profile, environment } = request;
  try {
    if (request.webIdentity !== undefined) {
      const way = await readWay(shared, environment, undefined, request.verify);
      const token = request.wants === "token" ? await obtainToken(request.webIdentity, request) : undefined;
      return { way, source: undefined, token };
    }
    if (profile !== undefined) return await resolveProfile(request, shared, profile);
    return await resolveEnvironment({ ...request, environment: markWalk(environment) }, shared);
  } catch (error) {
    if (isErrorOf(error, "no-source-credentials") && profileOf(name) === undefined)
      throw new KeyholeError(
        error.kind,
        `no source credentials found for config ${name}: ${error.message}`,
        error.hint,
        error.said,
      );
    throw error;
  }
}

/**
 * A profile of the environment that calls keyhole counts as not set: an SDK that was told to use one hands its name on
 * to keyhole. So does a default profile that does. Only a config chains one session to another.
 */
async function resolveEnvironment(request: ChainRequest, shared: SharedConfig): Promise<Resolved> {
  const { environment } = request;
  const chosen = namedIn(environment);
  const ways = [
    ...(chosen === undefined ? [] : [() => resolveProfile(request, shared, chosen)]),
    () => resolveProfile(request, shared, undefined),
    () => resolveProfile(request, shared, undefined, withoutDefault(shared)),
  ];
  let calling: CallsKeyhole | undefined;
  for (const resolve of ways) {
    try {
      const { way, source } = await resolve();
      if (calling === undefined || source === undefined) return { way, source, token: undefined };
      const note = `${calling.message}: the source is ${source.description} instead`;
      return { way, source: { ...source, notes: [note] }, token: undefined };
    } catch (error) {
      if (error instanceof CallsKeyhole) calling ??= error;
      else if (calling !== undefined && isErrorOf(error, "no-source-credentials"))
        throw new KeyholeError(
          error.kind,
          `${calling.message}, and without it: ${error.message}`,
          error.hint,
          error.said,
        );
      else throw error;
    }
  }
  throw calling;
}

async function resolveProfile(
  request: ChainRequest,
  shared: SharedConfig,
  profile: string | undefined,
  planned: SharedConfig = shared,
): Promise<Resolved> {
  const { wants, verify, environment } = request;
  const way = await readWay(shared, environment, profile, verify);
  const sources = { shared: planned, environment };
  const refusal = wants === "check" && profile !== undefined ? profileRefusal(sources, profile) : undefined;
  if (refusal !== undefined) throw refusal;
  if (wants !== "source") return { way, source: undefined, token: undefined };
  const plan = planSource(sources, profile);
  return { way, token: undefined, source: await walk(plan, { ...request, profile, shared: planned, way }) };
}

function namedIn(environment: SourceEnvironment): string | undefined {
  return environment["AWS_PROFILE"] ?? environment["AWS_DEFAULT_PROFILE"];
}

function withoutDefault(shared: SharedConfig): SharedConfig {
  const [profiles, credentials] = [shared.profiles, shared.credentials].map((sections) =>
    without(sections, DEFAULT_PROFILE),
  );
  return { ...shared, profiles: profiles!, credentials: credentials! };
}

function without(sections: SharedConfig["profiles"], left: string): SharedConfig["profiles"] {
  return new Map([...sections].filter(([name]) => name !== left));
}

async function readSharedConfig(environment: SourceEnvironment): Promise<SharedConfig> {
  const [config = "", credentials = ""] = await Promise.all(sharedPaths(environment).map(readIfNamed));
  return parseSharedConfig(config, credentials);
}

async function readIfNamed(path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : readForeign(path);
}
