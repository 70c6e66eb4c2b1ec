// keyhole completion: a script that makes a shell complete keyhole's commands, options and config names.
import { KeyholeError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { type CompletionShell, completionScripts } from "../completions.ts";

const shells = Object.keys(completionScripts) as CompletionShell[];

export default defineCommand({
  meta: { name: "completion", description: "Print a script for the completion of bash, zsh, fish or PowerShell" },
  where: "both",
  args: {
    shell: { type: "positional", description: `Which shell: ${shells.join(", ")}` },
  },
  async run({ args, output, root }) {
    const shell = shells.find((known) => known === args.shell);
    if (shell === undefined) {
      throw new KeyholeError("usage", `SHELL must be one of ${shells.join(", ")}`, "keyhole completion bash");
    }
    output.line(await completionScripts[shell](root));
  },
});
