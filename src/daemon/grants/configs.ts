// Grants as configs: what a session of a grant is made from. The config's parameters, narrowed by the grant, up to the
// grant's end; and the config's name wherever a person reads one.
import type { ConfigReader } from "../../config/config.ts";
import { configNameOf } from "../../grants/grant.ts";
import { noSuchGrant } from "../../grants/name.ts";
import { applyScope } from "../../grants/scope.ts";
import type { CredentialSource } from "../../sources/source.ts";
import { type Clocks, type Ending, nowOf } from "./ending.ts";

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
  return {
    assume: async (request) => {
      const assumed = await source.assume({ ...request, name: configOf(request.name) });
      // It must not set the time by which grants end.
      return assumed.clock === "doubtful" ? { ...assumed, clock: "foreign" } : assumed;
    },
    regionOf: (request) => source.regionOf({ ...request, name: configOf(request.name) }),
    identify: (request, credentials) => source.identify({ ...request, name: configOf(request.name) }, credentials),
  };
}
