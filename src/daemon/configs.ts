// The configs that sessions are of, by the sessions' names: of the default directory and of any other.
import { checkConfigName } from "../configname.ts";
import { parseSessionName } from "../sessionname.ts";
import type { ConfigReader } from "../config/config.ts";
import { createConfigReader } from "../config/store.ts";

/** @param directory the default one */
export function createSessionConfigs(directory: string): ConfigReader {
  const find = (name: string) => {
    const identity = parseSessionName(name);
    return identity && { reader: createConfigReader(identity.directory ?? directory), config: identity.config };
  };
  return {
    read(name) {
      const found = find(name);
      if (found === undefined) return createConfigReader(directory).read(checkConfigName(name));
      return { ...found.reader.read(found.config), name };
    },
    revision(name) {
      const found = find(name);
      return found?.reader.revision(found.config);
    },
  };
}
