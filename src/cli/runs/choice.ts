// Which sandbox a run is in: what its options say, else what ~/.keyhole/run.yaml says, else what a person answers.
import { KeyholeError } from "../../errors.ts";
import type { CommandContext } from "../command.ts";
import { isEngine, type SandboxName, sandboxNames } from "../recipes/sandboxes.ts";
import { keepSandbox, readRunDefaults } from "./defaults.ts";

export interface Choice {
  readonly name: SandboxName;
  /** For docker and podman. */
  readonly image: string | undefined;
  readonly options: readonly string[];
}

export interface Asked extends Omit<Choice, "name"> {
  readonly name: SandboxName | undefined;
  /** The command line, with other values of these options. */
  readonly command: (changes: Readonly<Record<string, string>>) => string;
}

type Context = Pick<CommandContext, "settings" | "host" | "ui">;

/** @throws KeyholeError `usage` where nothing says it and there is no terminal, and where image and options do not fit. */
export async function choose(asked: Asked, context: Context): Promise<Choice> {
  const { paths } = context.settings;
  const defaults = readRunDefaults(paths.runFile, context.host.userId());
  const name = asked.name ?? defaults.in ?? (await ask(asked, context));
  // Words for another tool would mean something else, or nothing.
  const isForIt = name !== "none" && (defaults.in === undefined || defaults.in === name);
  const kept = isForIt ? defaults.toolOptions : [];
  const image = asked.image ?? defaults.image;
  if (isEngine(name) && image === undefined)
    throw new KeyholeError("usage", `--in ${name} wants an image`, asked.command({ in: name, image: "IMAGE" }));
  if (!isEngine(name) && asked.image !== undefined)
    throw new KeyholeError("usage", `--image is for docker and podman, not for ${name}`, "keyhole run --help");
  if (name === "none" && asked.options.length > 0)
    throw new KeyholeError("usage", "--tool-option is for a sandbox, and --in none is none", "keyhole run --help");
  return { name, image, options: [...kept, ...asked.options] };
}

async function ask({ command }: Asked, { settings, host, ui }: Context): Promise<SandboxName> {
  if (!(await ui.isInteractive()))
    throw new KeyholeError("usage", "which sandbox is not said: --in is missing", command({ in: "SANDBOX" }));
  const name = (await ui.askChoice(
    "Which sandbox?",
    sandboxNames.map((value) => ({ value, details: [] })),
  )) as SandboxName;
  const { runFile } = settings.paths;
  if (await ui.askYesNo(`Keep ${name} in ${runFile}, for all runs to come?`, true))
    keepSandbox(runFile, host.userId(), name);
  return name;
}
