// The names of the saved configs, for choices and completions.
import type { Paths } from "../../paths.ts";
import type { NameChoices } from "./names.ts";

/** What to choose a config's name from. */
export function configChoices(paths: Paths): NameChoices {
  return {
    kind: "configs",
    hint: "keyhole config add",
    list: async () => (await import("../../config/store.ts")).listConfigs(paths.configDir),
  };
}
