// The sessions of grants: one for each, never shared with another grant or with the config's own.
import { errors, KeyholeError } from "../../errors.ts";
import { configNameOf, type Grant } from "../../grants/grant.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import type { SessionInfo } from "../../wire/messages.ts";
import type { Counters } from "../counters.ts";
import type { Issue } from "../sessions/issue.ts";
import type { KeeperDependencies } from "../sessions/keeper.ts";
import { Sessions } from "../sessions/sessions.ts";
import { createGrantConfigs, type FindGrant, nameConfigs } from "./configs.ts";
import { type Clocks, type Ending, nowOf } from "./ending.ts";
import { describeKeys } from "./info.ts";
import type { LiveGrant } from "./livegrant.ts";

export interface GrantSessionDependencies extends KeeperDependencies {
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
  /** AWS's clock as far as it concerns that grant: see ending.ts. */
  nowOf(ending: Ending): number;
  /** The first credentials of a grant that is being made. @throws what CredentialSource.assume does */
  prove(name: string, environment: SourceEnvironment): Promise<Issue>;
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
  /** Ends its session, if there is one; whoever waits is told. */
  remove(name: string): void;
  /** By the names of their grants. */
  list(): ReadonlyMap<string, SessionInfo>;
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
   * The hint to a failure for want of good keys is to add the config again: where somebody has done so, with other keys,
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
    async prove(name, environment) {
      await sessions.add(name, environment, { verify: true, renew: false });
      return sessions.vend(name);
    },
    vend(live) {
      ensure(live);
      try {
        return sessions.vend(live.grant.name);
      } catch (error) {
        if (!(error instanceof KeyholeError) || error.kind !== "no-such-config") throw error;
        throw new KeyholeError("no-such-config", `config ${live.grant.config} does not exist any more`);
      }
    },
    ensure,
    follow: (name) => sessions.follow(name),
    remove(name) {
      if (sessions.environmentOf(name) !== undefined) sessions.remove(name);
    },
    list: () => new Map(sessions.list().map((info) => [info.config, info])),
    stop: () => sessions.stop(),
  };
}
