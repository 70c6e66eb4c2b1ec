// `~/.keyhole/run.yaml`: what `keyhole run` does where its options do not say. Only its owner may write it.
//
//   in: docker
//   image: my-agent
//   tool-options: [--network=none]
import { applyChanges } from "../../config/edit.ts";
import { formatProblem } from "../../config/parse.ts";
import { decodeYaml, lineOf, MalformedYaml, parseYaml, YAML_LIMIT, type YamlDocument } from "../../config/yaml.ts";
import { isMapping } from "../../config/mapping.ts";
import { KeyholeError } from "../../errors.ts";
import { readTrusted } from "../../files/reading.ts";
import { writeAtomically } from "../../files/writing.ts";
import { quotePosix } from "../../text/quoting.ts";
import { type SandboxName, sandboxNames } from "../recipes/sandboxes.ts";

export interface RunDefaults {
  readonly in: SandboxName | undefined;
  readonly image: string | undefined;
  /** For the sandbox that `in` names. */
  readonly toolOptions: readonly string[];
}

const KEYS = ["in", "image", "tool-options"] as const;

/** @throws KeyholeError `invalid-config` with every problem and its line, `unsafe-path` */
export function readRunDefaults(path: string, uid: number): RunDefaults {
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
export function keepSandbox(path: string, uid: number, name: SandboxName): void {
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
