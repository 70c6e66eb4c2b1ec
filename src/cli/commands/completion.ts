// keyhole completion: a script that makes a shell complete keyhole's words. The script asks keyhole itself, each time.
import { KeyholeError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import bash from "../completions/keyhole.bash" with { type: "text" };
import fish from "../completions/keyhole.fish" with { type: "text" };
import powershell from "../completions/keyhole.ps1" with { type: "text" };
import zsh from "../completions/keyhole.zsh" with { type: "text" };

const scripts: Readonly<Record<string, string>> = { bash, zsh, fish, powershell };
const shells = Object.keys(scripts).join(", ");

export default defineCommand({
  meta: { name: "completion", description: "Print a script for the completion of bash, zsh, fish or PowerShell" },
  examples: ['eval "$(keyhole completion bash)"', "keyhole completion fish"],
  where: "both",
  args: { shell: { type: "positional", description: `Which shell: ${shells}` } },
  rest: "optional",
  notes: [
    "The script asks keyhole completion words -- WORD..., which prints what may stand for the last word, one a line,",
    "with a tab and a description behind it.",
  ],
  async run(context) {
    const { args, output, rest } = context;
    if (args.shell === "words") {
      const { candidatesFor } = await import("../candidates.ts");
      const found = await candidatesFor(rest, context);
      if (found.length > 0) output.line(found.map(({ word, description }) => `${word}\t${description}`).join("\n"));
      return;
    }
    const script = Object.hasOwn(scripts, args.shell) ? scripts[args.shell] : undefined;
    if (script === undefined) {
      throw new KeyholeError("usage", `SHELL must be one of ${shells}`, "keyhole completion bash");
    }
    output.line(script.trimEnd());
  },
});
