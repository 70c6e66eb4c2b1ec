// Programs of the system that commands run: shown as they would be typed, and what went wrong in their own words.
import { showOnOneLine } from "../../text/controls.ts";
import { KeyholeError } from "../../errors.ts";
import { quotePosix } from "../../text/quoting.ts";
import type { Host } from "../command.ts";

/** A program and its arguments. */
export type ToolCommand = readonly [program: string, ...words: string[]];

/** What a program said, and its exit status; 127 where there is no program of that name. */
export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** As it can be pasted. */
export function formatCommand(command: ToolCommand): string {
  return command.map(quotePosix).join(" ");
}

/** The option of every command that runs tools which change the system. */
export const dryRunOption = { type: "boolean", description: "Print what would be done, and do nothing" } as const;

/** A line to paste for each. */
export function renderCommands(commands: readonly ToolCommand[]): string {
  return commands.map((command) => `$ ${formatCommand(command)}`).join("\n");
}

/** Runs commands in their order, each announced. @throws KeyholeError at the first that fails, which is the hint. */
export async function runTools(
  commands: readonly ToolCommand[],
  host: Pick<Host, "runTool">,
  announce: (line: string) => void,
): Promise<void> {
  for (const command of commands) {
    announce(`$ ${formatCommand(command)}`);
    const result = await host.runTool(command);
    if (result.status !== 0) throw toolFailure(command, result);
  }
}

export function toolFailure(command: ToolCommand, { status, stderr }: ToolResult): KeyholeError {
  const [said = ""] = stderr.trim().split("\n");
  const reason = status === 127 && said === "" ? "is not installed" : `failed (exit ${status})`;
  return new KeyholeError(
    "internal",
    `${command[0]} ${reason}${said === "" ? "" : `: ${showOnOneLine(said)}`}`,
    formatCommand(command),
  );
}
