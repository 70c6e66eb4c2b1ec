// What `keyhole help TOPIC` shows, as it lies here for people who read the repository.
import agents from "./agents.md" with { type: "text" };
import configs from "./configs.md" with { type: "text" };
import elhaz from "./elhaz.md" with { type: "text" };
import environment from "./environment.md" with { type: "text" };
import files from "./files.md" with { type: "text" };
import install from "./install.md" with { type: "text" };
import limits from "./limits.md" with { type: "text" };
import macos from "./macos.md" with { type: "text" };
import numbers from "./numbers.md" with { type: "text" };
import renewal from "./renewal.md" with { type: "text" };
import sandboxes from "./sandboxes.md" with { type: "text" };
import shared from "./shared.md" with { type: "text" };
import signing from "./signing.md" with { type: "text" };
import start from "./start.md" with { type: "text" };
import statuses from "./statuses.md" with { type: "text" };
import tools from "./tools.md" with { type: "text" };

/** In the order of the index. */
export const topics: Readonly<Record<string, string>> = {
  start,
  tools,
  agents,
  signing,
  sandboxes,
  configs,
  renewal,
  shared,
  environment,
  statuses,
  files,
  limits,
  numbers,
  install,
  macos,
  elhaz,
};

/** The first line of a topic's text, which the index shows. */
export function titleOf(text: string): string {
  return text.slice("# ".length, text.indexOf("\n"));
}
