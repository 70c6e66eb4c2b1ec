// keyhole prompt: what a shell shows in its prompt. main.ts answers it without options; this is its help, and the rest.
import { promptOf } from "../../client/prompt.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  meta: { name: "prompt", description: "Print what a shell shows in its prompt: dev 42m" },
  examples: ["keyhole prompt", "keyhole prompt --socket-path ~/.keyhole/sock/daemon.sock"],
  where: "both",
  args: {},
  notes: [
    "Prints the config in KEYHOLE_CONFIG, which keyhole shell sets, and how long its",
    "credentials are good; nothing where the daemon has none. It does not call STS,",
    "start a daemon or count as a use of the session. In the files of your shell:",
    "",
    "  bash      PS1='$(keyhole prompt) '\"$PS1\"",
    "  zsh       setopt prompt_subst; PROMPT='$(keyhole prompt) '\"$PROMPT\"",
    "  fish      functions -c fish_prompt plain_prompt",
    "            function fish_prompt; echo (keyhole prompt) (plain_prompt); end",
    "  starship  [custom.keyhole]",
    "            command = 'keyhole prompt'",
    "            when = '[ -n \"$KEYHOLE_CONFIG\" ]'",
  ],
  async run({ environment, settings, output }) {
    const shown = await promptOf({
      ...environment,
      KEYHOLE_SOCKET: settings.paths.socket,
      KEYHOLE_CONFIG_DIR: settings.paths.configDir,
    });
    if (shown !== undefined) output.line(shown);
  },
});
