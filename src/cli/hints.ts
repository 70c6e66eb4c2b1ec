// Hints as commands that mean, when they are pasted, what the failed one meant.
import { findOption } from "../arguments.ts";
import { KeyholeError, keyholeErrorOf } from "../errors.ts";
import { quotePosix } from "../text/quoting.ts";
import { settingOptions } from "../settings.ts";
import type { Ui } from "./ui.ts";

/** Which daemon and which configs: without these a pasted `keyhole daemon start` starts another daemon. */
const places = {
  "config-dir": settingOptions["config-dir"],
  "socket-path": settingOptions["socket-path"],
  "logging-path": settingOptions["logging-path"],
};

/** A Ui whose hints repeat the paths of this command line. @param words argv up to `--` */
export function keepPaths(ui: Ui, words: readonly string[]): Ui {
  const typed = typedPaths(words);
  if (typed.length === 0) return ui;
  const adapt = (hint: string | undefined) => hint && addWords(hint, typed);
  return {
    ...ui,
    hint: (text) => ui.hint(addWords(text, typed)),
    warn: (text, hint) => ui.warn(text, adapt(hint)),
    fail: (error) => {
      const { kind, message, hint } = keyholeErrorOf(error);
      ui.fail(new KeyholeError(kind, message, adapt(hint)));
    },
  };
}

/** Help needs no path, configs no daemon, and a line that repeats what was typed has its paths. */
function addWords(hint: string, words: readonly string[]): string {
  if (!hint.startsWith("keyhole ") || hint.endsWith("--help") || typedPaths(hint.split(" ")).length > 0) return hint;
  const command = hint.slice("keyhole ".length);
  const needed = command.startsWith("config ") ? words.filter((word) => word.startsWith("--config-dir=")) : words;
  return ["keyhole", ...needed, command].join(" ");
}

function typedPaths(words: readonly string[]): string[] {
  return words.flatMap((word, at) => {
    const use = findOption(word, places);
    const value = use && (use.inline ?? words[at + 1]);
    return value ? [`--${use.name}=${quotePosix(value)}`] : [];
  });
}
