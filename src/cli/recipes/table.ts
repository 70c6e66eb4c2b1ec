// How each tool is given a grant: one table. A new tool is a function and a line.
import { claudeCode, codex, fence, gemini, nono, srt } from "./agents.ts";
import { bwrap, firejail } from "./bwrap.ts";
import { compose, devcontainer, docker, gvisor, kubernetes, lima, podman, systemd } from "./containers.ts";
import type { MakeRecipe } from "./recipe.ts";

/** By what `--for` takes. */
export const recipes = {
  docker,
  podman,
  compose,
  devcontainer,
  gvisor,
  bwrap,
  firejail,
  srt,
  "claude-code": claudeCode,
  codex,
  gemini,
  fence,
  nono,
  kubernetes,
  systemd,
  lima,
} as const satisfies Record<string, MakeRecipe>;

export type RecipeName = keyof typeof recipes;

/** In the order of the table. */
export const recipeNames = Object.keys(recipes) as RecipeName[];
