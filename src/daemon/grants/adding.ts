// Making a grant: everything is checked and the role assumed before anything is made, and whatever fails after that
// takes back what was.
import { type Config, type ConfigReader, SHORTEST_DURATION } from "../../config/config.ts";
import { isErrorOf, KeyholeError, keyholeErrorOf } from "../../errors.ts";
import { splitEnvironment } from "../../grants/kept-variables.ts";
import { isRate } from "../../grants/formats.ts";
import {
  type Arch,
  configNameOf,
  deliveries,
  type Executable,
  executableProblem,
  fileProblems,
  type Grant,
  type GrantMachine,
  type Runner,
  signProblems,
  type SignTerms,
  termsOf,
} from "../../grants/grant.ts";
import { checkMountPath } from "../../grants/mount.ts";
import { checkNewGrantName } from "../../grants/names.ts";
import { applyScope } from "../../grants/scope.ts";
import type { GrantStore } from "../../grants/store.ts";
import { refuseLoop } from "../../loop.ts";
import type { LimitedLog } from "../../server/log.ts";
import { isFallback } from "../../sources/helper.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import type { Surroundings } from "../../surroundings.ts";
import { encode } from "../../wire/codec.ts";
import { messages, type RequestOf } from "../../wire/messages.ts";
import type { DirectoryNames } from "../mounts/directory-names.ts";
import { selectionOf, withoutForeignKeys } from "../sessions/selection.ts";
import type { Askpass } from "./confirmation.ts";
import type { Clocks } from "./endings.ts";
import type { GrantLifecycle } from "./lifecycle.ts";
import { grantInfoOf, type LiveGrant, type LiveGrants } from "./livegrants.ts";

export interface AddingDependencies {
  readonly served: LiveGrants;
  readonly life: GrantLifecycle;
  readonly names: Pick<DirectoryNames, "create">;
  readonly store: GrantStore;
  readonly configs: ConfigReader;
  readonly log: LimitedLog;
  readonly mostGrants: number;
  /** The control socket, for loops among source credentials. */
  readonly socketPath: string;
  /** This one. */
  readonly machine: GrantMachine;
  /** The program that asks a person, of the owner who makes a grant. */
  readonly askpassOf: (environment: SourceEnvironment) => Askpass | undefined;
  readonly isClosed: () => boolean;
}

/** @throws what Grants.add does */
export type AddGrant = (request: GrantRequest) => Promise<LiveGrant>;

export function createGrantAdding(dependencies: AddingDependencies): AddGrant {
  const { served, life, names, store, configs, log, mostGrants, socketPath, machine, askpassOf, isClosed } =
    dependencies;
  const { lives, pending } = served;
  /** The sessions of grants that wait for a code, which opens that session and no other; by the names of grants. */
  const begun = new Map<string, string>();

  async function add(request: GrantRequest): Promise<LiveGrant> {
    const { name } = request;
    const given = Object.fromEntries(request.environment.map((variable) => [variable.name, variable.value]));
    refuseLoop(given, request.config, socketPath);
    const { config } = configs.read(configNameOf({ config: request.config, configDir: request.directory }));
    const environment = selectionOf(config, given);
    const drawn = planGrant(request, config, environment, life.sessions.clocks, names.create(), machine);
    const planned = { ...drawn, sessionName: begun.get(name) ?? drawn.sessionName };
    if (lives.has(name) || pending.has(name) || store.revision(name) !== undefined) throw taken(name);
    if (lives.size + pending.size >= mostGrants) throw full(mostGrants);
    pending.set(name, () => ({ ...planned, ...lifeOf(request, life.sessions.clocks) }));
    try {
      const live = await make(planned, request, environment, config.AssumeRole === undefined);
      begun.delete(name);
      return live;
    } catch (error) {
      if (isErrorOf(error, "code-wanted")) begin(name, planned.sessionName);
      throw error;
    } finally {
      pending.delete(name);
    }
  }

  function begin(name: string, sessionName: string): void {
    begun.set(name, sessionName);
    const [oldest] = begun.keys();
    if (begun.size > MOST_BEGUN && oldest !== undefined) begun.delete(oldest);
  }

  async function make(
    planned: Grant,
    request: GrantRequest,
    given: SourceEnvironment,
    isHandedOn: boolean,
  ): Promise<LiveGrant> {
    const { name } = planned;
    let live: LiveGrant | undefined;
    try {
      const first = await life.sessions.prove(name, given, request.surroundings);
      // A profile that calls keyhole may call another source tomorrow.
      const isProfileless = first.notes.some(isFallback);
      const environment = isProfileless ? withoutProfile(given) : given;
      const kept = isProfileless ? withoutProfile(planned.environment) : planned.environment;
      // AWS's clock is known by now, if it was not before.
      const identity = isHandedOn ? first.arn : undefined;
      const grant = { ...planned, identity, environment: kept, ...lifeOf(request, life.sessions.clocks) };
      pending.set(name, () => grant);
      store.write(grant, { durable: true });
      // What cannot be read again would work until the daemon's next start, and not be revoked after it.
      store.read(name);
      live = await life.open(grant, { environment, askpass: askpassOf(environment), first });
      await life.equip(live);
      if (isClosed()) throw new KeyholeError("shutting-down", "the daemon is shutting down");
      // Nor may there be a grant that no answer can tell of.
      encode(messages.GrantMake.response, grantInfoOf(live, undefined, grant.createdAt));
      lives.set(name, live);
      return live;
    } catch (error) {
      takeBack(name, live);
      throw error;
    }
  }

  function takeBack(name: string, live: LiveGrant | undefined): void {
    const steps = [
      () => life.sessions.remove(name),
      () => void store.remove(name),
      () => void live?.listener?.close(0),
      () => live?.mount.remove(),
    ];
    for (const step of steps) {
      try {
        step();
      } catch (error) {
        log("error", "grant not taken back", { grant: name, error: keyholeErrorOf(error).message });
      }
    }
  }

  return add;
}

/** As many as wait for codes (sources/codes.ts). */
const MOST_BEGUN = 64;

function withoutProfile(environment: SourceEnvironment): SourceEnvironment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !PROFILES.has(name)));
}

const PROFILES: ReadonlySet<string> = new Set(["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]);

function taken(name: string): KeyholeError {
  return new KeyholeError("grant-exists", `grant ${name} exists`, `keyhole grant show ${name}`);
}

function full(most: number): KeyholeError {
  return new KeyholeError(
    "invalid-grant",
    `this daemon's limit of descriptors has room for ${most} grants`,
    "remove a grant, or raise the limit: ulimit -n",
  );
}

export interface GrantRequest extends Omit<RequestOf<"GrantMake">, "directory"> {
  /** Of the config; undefined for the default one. */
  readonly directory: string | undefined;
  /** What asks for a grant that ends with it. */
  readonly runner: Runner | undefined;
  /** For helpers, from the client; kept in memory as long as the grant's session is. */
  readonly surroundings: Surroundings | undefined;
}

/**
 * Seconds that a grant lives at least: the shortest session, the margin that issue.ts keeps for the way to STS, and as
 * much again for waiting in a queue. A request for 15 minutes gets these.
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
  machine: GrantMachine,
): Grant {
  checkNewGrantName(request.name);
  const problems = [...findTermProblems(request, machine)];
  const deliver = deliveries.find((each) => each === request.deliver) ?? "socket";
  const { kept, hadKeys } = splitEnvironment(withoutForeignKeys(config, environment));
  const grant: Grant = {
    ...termsOf(request),
    deliver,
    // A directory with a lease has none: `cat` reads the lease.
    executable: deliver === "file" ? "none" : (request.executable as Executable),
    arch: deliver === "file" ? undefined : (request.arch as Arch | undefined),
    ...signingOf(request.sign),
    id,
    sessionName: `keyhole-${request.name}-${randomHex(4)}`,
    identity: undefined,
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

function* findTermProblems(request: GrantRequest, machine: GrantMachine): Generator<string> {
  const { deliver, mountAt, rate, ttlSeconds, maxUses } = request;
  if (!deliveries.some((each) => each === deliver)) yield `a grant is delivered by ${deliveries.join(", ")}`;
  if ((deliver === "sign") !== (request.sign !== undefined)) yield "what a grant allows is said of one that signs";
  if (ttlSeconds !== undefined && ttlSeconds < SHORTEST_DURATION)
    yield `a grant lives for ${SHORTEST_DURATION / 60} minutes at least: STS issues no shorter session`;
  if (!isRate(rate)) yield "the rate must be requests in a time, like 10/s";
  if (maxUses === 0) yield "--max-uses must be 1 at least";
  const problem = problemOf(() => checkMountPath(mountAt));
  if (problem !== undefined) yield problem;
  const executable = executableProblem(request, machine);
  if (executable !== undefined) yield executable;
  if (deliver === "file") yield* fileProblems(request);
  if (deliver === "sign") yield* signProblems(request);
}

/** Ports that a grant's may be: neither those of servers, nor those that kernels give clients (ip(7): from 32768). */
const PORTS = { first: 20_000, count: 12_000 };

/** A port is drawn once, and the keys are: a sandbox that runs keeps both. */
function signingOf(sign: SignTerms | undefined): Pick<Grant, "sign" | "dummy"> {
  if (sign === undefined) return { sign: undefined, dummy: undefined };
  const random = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => letters[byte % letters.length]).join("");
  const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(30))).toString("base64url");
  return {
    sign: { ...sign, port: sign.port === 0 ? PORTS.first + (random % PORTS.count) : sign.port },
    dummy: { accessKeyId: `ASIA${id}`, secretAccessKey: secret },
  };
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
