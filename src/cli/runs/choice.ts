// Which sandbox a run is in: what its options say, else what ~/.keyhole/run.yaml says, else what a person answers.
import { KeyholeError } from "../../errors.ts";
import type { CommandContext } from "../command.ts";
import { isEngine, type SandboxName, sandboxNames } from "../recipes/sandboxes.ts";
import { applyChanges } from "../../config/edit.ts";
import { formatProblem } from "../../config/parse.ts";
import { decodeYaml, lineOf, MalformedYaml, parseYaml, YAML_LIMIT, type YamlDocument } from "../../config/yaml.ts";
import { isMapping } from "../../config/mapping.ts";
import { readTrusted } from "../../files/reading.ts";
import { writeAtomically } from "../../files/writing.ts";
import { quotePosix } from "../../text/quoting.ts";

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
    throw new KeyholeError(
      "usage",
      "--tool-option is for a sandbox, and --in none has no sandbox",
      "keyhole run --help",
    );
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

/**
 * `~/.keyhole/run.yaml`, which only its owner may write:
 *
 *   in: docker
 *   image: my-agent
 *   tool-options: [--network=none]
 */
interface RunDefaults {
  readonly in: SandboxName | undefined;
  readonly image: string | undefined;
  /** For the sandbox that `in` names. */
  readonly toolOptions: readonly string[];
}

const KEYS = ["in", "image", "tool-options"] as const;

/** @throws KeyholeError `invalid-config` with every problem and its line, `unsafe-path` */
function readRunDefaults(path: string, uid: number): RunDefaults {
  return parseRunDefaults(readText(path, uid), path);
}

/** @param path for errors */
function parseRunDefaults(text: string, path: string): RunDefaults {
  const document = read(text, path);
  // An empty file.
  const value = document?.value ?? {};
  const problems = isMapping(value) ? Object.entries(value).flatMap(problemsOf) : [{ message: "must be a mapping" }];
  if (problems.length > 0) {
    throw invalid(
      path,
      problems.map(({ key, message }) => ({
        line: document && key !== undefined ? lineOf(document, [key]) : undefined,
        message: key === undefined ? message : `${key} ${message}`,
      })),
    );
  }
  const found = value as Readonly<Record<string, unknown>>;
  return {
    in: found["in"] as SandboxName | undefined,
    image: found["image"] as string | undefined,
    toolOptions: (found["tool-options"] ?? []) as string[],
  };
}

/** Says there which sandbox it is; what else stands there stays. @throws KeyholeError `invalid-config`, `unsafe-path` */
function keepSandbox(path: string, uid: number, name: SandboxName): void {
  const found = readText(path, uid);
  const before = found === "" || found.endsWith("\n") ? found : `${found}\n`;
  const hasNothing = read(before, path) === undefined;
  const text = hasNothing ? `${before}in: ${name}\n` : applyChanges(before, [{ path: ["in"], value: name }], path).text;
  parseRunDefaults(text, path);
  writeAtomically(path, text, { exclusive: false, durable: true });
}

function readText(path: string, uid: number): string {
  try {
    const file = readTrusted(path, uid, YAML_LIMIT);
    return file === undefined ? "" : decodeYaml(file.bytes);
  } catch (error) {
    throw error instanceof MalformedYaml ? invalid(path, [error]) : error;
  }
}

/** Undefined for an empty one. */
function read(text: string, path: string): YamlDocument | undefined {
  if (/^\s*(?:#.*\s*)*$/.test(text)) return undefined;
  try {
    return parseYaml(text);
  } catch (error) {
    throw error instanceof MalformedYaml ? invalid(path, [error]) : error;
  }
}

function problemsOf([key, value]: [string, unknown]): { readonly key?: string; readonly message: string }[] {
  if (key === "in") {
    const isKnown = sandboxNames.some((name) => name === value);
    return isKnown ? [] : [{ key, message: `must be one of ${sandboxNames.join(", ")}` }];
  }
  if (key === "image") return typeof value === "string" && value !== "" ? [] : [{ key, message: "must be text" }];
  if (key !== "tool-options") return [{ key, message: `is no key of this file: it has ${KEYS.join(", ")}` }];
  const isList = Array.isArray(value) && value.every((option) => typeof option === "string");
  return isList ? [] : [{ key, message: "must be a list of texts, one for each word" }];
}

function invalid(path: string, problems: readonly { readonly line?: number | undefined; readonly message: string }[]) {
  const lines = problems.map(({ line, message }) => `${path}: ${formatProblem({ line, message })}`);
  return new KeyholeError("invalid-config", lines.join("\n"), `\${EDITOR:-vi} ${quotePosix(path)}`);
}
