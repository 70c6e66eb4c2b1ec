// Grants as configs: what a session of a grant is made from. The config's parameters, narrowed by the grant, up to the
// grant's end; and the config's name wherever a person reads one.
import type { ConfigReader } from "../../config/config.ts";
import { KeyholeError } from "../../errors.ts";
import type { Grant } from "../../grants/grant.ts";
import { applyScope } from "../../grants/scope.ts";
import type { CredentialSource } from "../../sources/source.ts";

/** The definition of a grant that is in force, and what changes with it; see LiveGrant. */
export interface Definition {
  readonly grant: Grant;
  readonly version: number;
}

/** By the name of the grant. */
export type FindGrant = (name: string) => Definition | undefined;

/**
 * A reader whose names are those of grants. Its revisions change with the config's file and with the definition.
 *
 * `read` throws what the config's reader does, with the config's name, and KeyholeError `invalid-grant`.
 */
export function createGrantConfigs(configs: ConfigReader, find: FindGrant): ConfigReader {
  return {
    read(name) {
      const definition = find(name);
      if (definition === undefined) throw noSuchGrant(name);
      const { grant } = definition;
      const { config, revision } = configs.read(grant.config);
      return {
        name,
        config: applyScope(config, grant),
        revision: revisionOf(revision, definition),
        until: grant.endsAt,
      };
    },
    revision(name) {
      const definition = find(name);
      const revision = definition && configs.revision(definition.grant.config);
      return revision === undefined || definition === undefined ? undefined : revisionOf(revision, definition);
    },
  };
}

function revisionOf(base: string, { version }: Definition): string {
  return `${base} ${version}`;
}

/**
 * The source for sessions of grants. It is told the config's name: what it says to a person is about the config
 * (`keyhole config update -n NAME`), and a loop among source credentials is one of configs. Nothing in it is kept by name.
 */
export function nameConfigs(source: CredentialSource, find: FindGrant): CredentialSource {
  const configOf = (name: string): string => find(name)?.grant.config ?? name;
  return {
    assume: (request) => source.assume({ ...request, name: configOf(request.name) }),
    identify: (request, credentials) => source.identify({ ...request, name: configOf(request.name) }, credentials),
  };
}

/** The error for a name that no grant has. */
export function noSuchGrant(name: string): KeyholeError {
  return new KeyholeError("no-such-grant", `no grant ${JSON.stringify(name)}`);
}
