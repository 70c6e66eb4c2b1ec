// The configs that sessions are of, by the sessions' names: of the default directory and of any other.
import { checkConfigName } from "../../configname.ts";
import { createConfigReader } from "../../config/store.ts";
import type { ConfigReader, StoredConfig } from "../../config/config.ts";
import { parseSessionName } from "../../sessionname.ts";

/** @param directory the default one */
export function createSessionConfigs(directory: string): ConfigReader {
  /** What was read last: an addition reads it for the session's name, and again for the session. */
  let latest: { readonly directory: string; readonly stored: StoredConfig } | undefined;

  const find = (name: string) => {
    const identity = parseSessionName(name);
    const place = identity?.directory ?? directory;
    return identity && { place, reader: createConfigReader(place), config: identity.config };
  };

  return {
    read(name) {
      const found = find(name);
      if (found === undefined) return createConfigReader(directory).read(checkConfigName(name));
      const { place, reader, config } = found;
      const isLatest = latest?.directory === place && latest.stored.name === config;
      if (!isLatest || latest?.stored.revision !== reader.revision(config)) {
        latest = { directory: place, stored: reader.read(config) };
      }
      return { ...latest!.stored, name };
    },
    revision(name) {
      const found = find(name);
      return found?.reader.revision(found.config);
    },
  };
}
