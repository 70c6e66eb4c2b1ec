// A text in the editor of the user's choice: on a copy, which replaces nothing until it is valid.
import * as fs from "node:fs";
import { formatProblem, inspectConfig } from "../../config/parse.ts";
import { definedVariables } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { ensurePrivateDirectory } from "../../files/directories.ts";
import { editingPrefix } from "../../files/writing.ts";
import type { CommandContext } from "../command.ts";

/** What a new config begins with. */
export const TEMPLATE = `# Parameters of sts:AssumeRole; RoleArn is all that is required.
AssumeRole:
  RoleArn:
  # DurationSeconds: 3600
  # ExternalId: 'text'

# Which source credentials to use; the default chain if this is left out.
# Session:
#   profile_name: default
#   region_name: eu-west-1

# Meta:
#   description: what this role is for
`;

/**
 * Opens a text, again and again until it is a config or the person gives up.
 *
 * @returns undefined if nothing was changed.
 * @throws KeyholeError `invalid-config` if the person gave up, `usage` if the editor failed.
 */
export async function editText(
  text: string,
  name: string,
  context: Pick<CommandContext, "environment" | "ui" | "settings">,
): Promise<string | undefined> {
  // Beside the socket and the logs, not in /tmp: a config may hold keys, and an editor leaves copies beside its file.
  ensurePrivateDirectory(context.settings.paths.runDir);
  const directory = fs.mkdtempSync(`${context.settings.paths.runDir}/${editingPrefix()}`);
  try {
    const file = `${directory}/${name}.yaml`;
    fs.writeFileSync(file, text, { mode: 0o600 });
    return await editUntilValid(file, text, context);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function editUntilValid(
  file: string,
  before: string,
  { environment, ui }: Pick<CommandContext, "environment" | "ui">,
): Promise<string | undefined> {
  for (;;) {
    await runEditor(file, environment);
    const after = fs.readFileSync(file, "utf8");
    if (after === before) return undefined;
    const inspection = inspectConfig(after);
    if ("config" in inspection) return after;
    for (const problem of inspection.problems) ui.warn(formatProblem(problem));
    if (!(await ui.askYesNo("Edit again?", true)))
      throw new KeyholeError("invalid-config", "the text is not a valid config; nothing was saved");
  }
}

/** Through a shell, as git does, because $EDITOR may hold options. */
async function runEditor(file: string, environment: CommandContext["environment"]): Promise<void> {
  const editor = environment["VISUAL"] || environment["EDITOR"] || "vi";
  const child = Bun.spawn(["/bin/sh", "-c", `${editor} "$@"`, "keyhole", file], {
    stdio: ["inherit", "inherit", "inherit"],
    env: definedVariables(environment),
  });
  const status = await child.exited;
  if (status === 0) return;
  const known = ["nano", "vi", "vim", "emacs"].find((name) => Bun.which(name, { PATH: environment["PATH"] ?? "" }));
  const other = known === undefined ? "export EDITOR=/path/to/an/editor" : `export EDITOR=${known}`;
  // As a shell has it.
  const what = status === 127 ? `there is no editor ${editor}` : `the editor ended with status ${status}`;
  throw new KeyholeError("usage", `${what}; nothing was saved`, other);
}
