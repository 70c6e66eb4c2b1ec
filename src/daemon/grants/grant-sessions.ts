// The sessions of grants: one for each, never shared with another grant or with the config's own. A session is made from
// the config's parameters, narrowed by the grant, up to the grant's end; people read the config's name.
import type { ConfigReader } from "../../config/config.ts";
import { profileOf } from "../../config/name.ts";
import { errors, KeyholeError } from "../../errors.ts";
import { configNameOf, type Grant, isSameIdentity } from "../../grants/grant.ts";
import { noSuchGrant } from "../../grants/names.ts";
import { applyScope } from "../../grants/scope.ts";
import type { AssumedRole, AssumeRequest, CredentialSource, SourceEnvironment } from "../../sources/source.ts";
import type { Surroundings } from "../../surroundings.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { SessionInfo } from "../../wire/messages.ts";
import type { Counters } from "../status.ts";
import type { Issue } from "../sessions/issue.ts";
import type { SessionsDependencies } from "../sessions/lifecycle.ts";
import { Sessions } from "../sessions/sessions.ts";
import { type Clocks, type Ending, nowOf } from "./endings.ts";
import { describeKeys, type LiveGrant } from "./livegrants.ts";

export interface GrantSessionDependencies extends SessionsDependencies {
  /** Never fewer than there are grants: one that is evicted renews no lease. */
  readonly maxSessions: number;
  /** The daemon's, whose status counts grants and configs together. */
  readonly counters?: Counters | undefined;
  readonly find: FindGrant;
  /** What selects the source credentials of a config's own session, where it has one. */
  readonly environmentOf: (config: string) => SourceEnvironment | undefined;
  /** What is kept of an environment, with its keys, where a requester has had them since the daemon began. */
  readonly completeKeys: (kept: SourceEnvironment, id: string) => SourceEnvironment | undefined;
}

export interface GrantSessions {
  /** All clocks, as they were read just now. */
  readonly clocks: Clocks;
  /** AWS's clock as far as it concerns that grant: see endings.ts. */
  nowOf(ending: Ending): number;
  /** The first credentials of a grant that is being made. @throws what CredentialSource.assume does */
  prove(name: string, environment: SourceEnvironment, surroundings: Surroundings | undefined): Promise<Issue>;
  /**
   * Credentials of a grant, at once where there are some; its session is made where there is none.
   *
   * @throws KeyholeError as Sessions.vend and add do, and `person-needed` where the keys it came from are forgotten.
   */
  vend(live: LiveGrant): Issue | Promise<Issue>;
  /** Makes its session where there is none, without waiting for credentials. Throws as `vend`. */
  ensure(live: LiveGrant): void;
  /** Compares its session with config and definition: one that is pinned is renewed if they changed. Throws as `vend`. */
  follow(name: string): void;
  /** Ends its session, if there is one; requests that wait are told. */
  remove(name: string): void;
  /** Of a grant's session, if it has one just now. */
  infoOf(name: string): SessionInfo | undefined;
  stop(): void;
}

export function createGrantSessions(dependencies: GrantSessionDependencies): GrantSessions {
  const { source, configs, find, environmentOf, completeKeys } = dependencies;
  const scoped = createGrantConfigs(configs, find, () => sessions.time);
  const sessions: Sessions = new Sessions({
    ...dependencies,
    source: nameConfigs(source, find),
    configs: scoped,
    isSelectionFixed: true,
    // A session's name here is its grant's.
    log: (level, event, { config, ...fields } = {}) => dependencies.log(level, event, { grant: config, ...fields }),
  });

  /** What is kept on the disk selects the same source credentials, unless those were keys. */
  function environmentFor({ grant, environment }: LiveGrant): SourceEnvironment {
    const known = environment ?? (grant.hadKeys ? (ownKeys(grant) ?? addedKeys(grant)) : grant.environment);
    if (known !== undefined) return known;
    throw new KeyholeError(
      "person-needed",
      `the source credentials of grant ${grant.name} were ${describeKeys(grant)}, which a restart of the daemon forgets`,
      `in a shell that has them: keyhole daemon add -n ${grant.config}`,
    );
  }

  /** The keys that it was made with, where a requester has had them since. */
  function ownKeys({ environment, keyId }: Grant): SourceEnvironment | undefined {
    return keyId === undefined ? undefined : completeKeys(environment, keyId);
  }

  /** Others, with which the owner has added its config since; a profile would be another source. */
  function addedKeys(grant: Grant): SourceEnvironment | undefined {
    const other = environmentOf(configNameOf(grant));
    return other?.["AWS_ACCESS_KEY_ID"] === undefined ? undefined : other;
  }

  function ensure(live: LiveGrant): void {
    const { name } = live.grant;
    const current = sessions.environmentOf(name);
    const wanted = current === undefined ? environmentFor(live) : otherEnvironment(live, current);
    if (wanted !== undefined) enter(name, wanted);
  }

  /**
   * The hint to a failure for want of good keys is to add the config again: where the owner has done so, with other keys,
   * those are the grant's as well.
   */
  function otherEnvironment(
    { grant, lastError }: LiveGrant,
    current: SourceEnvironment,
  ): SourceEnvironment | undefined {
    if (!grant.hadKeys || lastError === undefined || errors[lastError.kind].mend !== "keys") return undefined;
    const other = addedKeys(grant) ?? ownKeys(grant);
    return Bun.deepEquals(other, current) ? undefined : other;
  }

  /** The session is there when this returns: without `verify`, `add` waits for nothing. */
  function enter(name: string, environment: SourceEnvironment): void {
    // What `add` would refuse, it would refuse too late.
    scoped.read(name);
    void Promise.allSettled([sessions.add(name, environment, { verify: false, renew: false })]);
  }

  return {
    get clocks() {
      return sessions.time;
    },
    nowOf: (ending) => nowOf(ending, sessions.time),
    async prove(name, environment, surroundings) {
      await sessions.add(name, environment, { verify: true, renew: false, surroundings, canTell: true });
      return sessions.vend(name);
    },
    vend(live) {
      ensure(live);
      try {
        return sessions.vend(live.grant.name);
      } catch (error) {
        if (!(error instanceof KeyholeError) || error.kind !== "no-such-config") throw error;
        throw new KeyholeError("no-such-config", `there is no config ${live.grant.config} any more`);
      }
    },
    ensure,
    follow: (name) => sessions.follow(name),
    remove(name) {
      if (sessions.environmentOf(name) !== undefined) sessions.remove(name);
    },
    infoOf: (name) => sessions.infoOf(name),
    stop: () => sessions.stop(),
  };
}

/** The definition of a grant that is in force, and what changes with it; see LiveGrant. */
export interface Definition extends Ending {
  readonly version: number;
}

/** By the name of the grant. */
export type FindGrant = (name: string) => Definition | undefined;

/** Milliseconds by which clocks may differ that are the same: the reader's revisions would change with each reading. */
const ROUNDING = 2_000;

/**
 * A reader whose names are those of grants. Its revisions change with the config's file, with the definition, and when
 * another clock than AWS's comes to end the grant.
 *
 * `read` throws what the config's reader does, with the config's name, and KeyholeError `invalid-grant`.
 */
export function createGrantConfigs(configs: ConfigReader, find: FindGrant, clocks: () => Clocks): ConfigReader {
  /** The end on AWS's clock, or earlier where another clock says so. */
  function untilOf(definition: Definition): number | undefined {
    const { endsAt } = definition.grant;
    const now = clocks();
    return endsAt && endsAt - Math.floor((nowOf(definition, now) - now.wall) / ROUNDING) * ROUNDING;
  }

  function revisionOf(base: string, definition: Definition): string {
    return `${base} ${definition.version} ${untilOf(definition)}`;
  }

  return {
    read(name) {
      const definition = find(name);
      if (definition === undefined) throw noSuchGrant(name, []);
      const { grant } = definition;
      const { config, revision } = configs.read(configNameOf(grant));
      return {
        name,
        config: applyScope(config, grant),
        revision: revisionOf(revision, definition),
        until: untilOf(definition),
      };
    },
    revision(name) {
      const definition = find(name);
      const revision = definition && configs.revision(configNameOf(definition.grant));
      return revision === undefined || definition === undefined ? undefined : revisionOf(revision, definition);
    },
  };
}

/**
 * The source for sessions of grants. It is told the config's name: what it says to a person is about the config
 * (`keyhole config update -n NAME`), and a loop among source credentials is one of configs. Nothing in it is kept by name.
 */
export function nameConfigs(source: CredentialSource, find: FindGrant): CredentialSource {
  const configOf = (name: string): string => find(name)?.grant.config ?? name;

  /** What was granted is one identity: a profile that gives another by now gives the sandbox nothing. */
  async function handOn(grant: string, request: AssumeRequest): Promise<AssumedRole> {
    const assumed = await source.assume(request);
    const { ungrantable, sourceDescription, credentials } = assumed;
    if (ungrantable !== undefined)
      throw refuseToHandOn(`the credentials of ${sourceDescription} ${ungrantable}`, request);
    const { arn, userId } = await source.identify(request, credentials);
    const definition = find(grant);
    const isNew = definition === undefined || definition.version < 0;
    const { identity } = definition?.grant ?? {};
    if (!isNew && (identity === undefined || !isSameIdentity(identity, arn)))
      throw new KeyholeError(
        "invalid-grant",
        `${sourceDescription} is ${arn} by now, and the grant was made for ${identity ?? "a role that its config assumed"}`,
        "remove the grant, and add it again: keyhole grant remove",
      );
    return { ...assumed, arn, assumedRoleId: userId };
  }

  return {
    assume: async (request) => {
      const named = { ...request, name: configOf(request.name) };
      const isHandedOn = request.config.AssumeRole === undefined;
      const assumed = await (isHandedOn ? handOn(request.name, named) : source.assume(named));
      // It must not set the time by which grants end.
      return assumed.clock === "doubtful" ? { ...assumed, clock: "foreign" } : assumed;
    },
    stamp: (environment) => source.stamp(environment),
    stampOf: (files) => source.stampOf(files),
    reread: (request) => source.reread(request),
    wayOf: (request) => source.wayOf({ ...request, name: configOf(request.name) }),
    identify: (request, credentials) => source.identify({ ...request, name: configOf(request.name) }, credentials),
  };
}

function refuseToHandOn(what: string, { name, config }: AssumeRequest): KeyholeError {
  const profile = config.Session?.profile_name ?? "default";
  const setting = `--set GetSessionToken.DurationSeconds=3600 --set ${quotePosix(`Session.profile_name=${profile}`)}`;
  return new KeyholeError(
    "invalid-grant",
    `${what}: no sandbox gets them`,
    profileOf(name) === undefined
      ? `give it a session of them: keyhole config update -n ${name} --set GetSessionToken.DurationSeconds=3600`
      : `give it a session of them: keyhole config add -n NAME ${setting}`,
  );
}
