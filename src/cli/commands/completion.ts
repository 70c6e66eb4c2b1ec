// keyhole completion: a script that makes a shell complete keyhole's commands, options and config names.
import { KeyholeError } from "../../errors.ts";
import { type CommandGroup, commonOptions, defineCommand } from "../command.ts";
import type { ArgDef } from "../../arguments.ts";
import { grantOperand } from "../grants/grants.ts";
import { quoteFish, quotePowershell } from "../../text/quoting.ts";

interface Completion {
  /** Long form without dashes. */
  readonly name: string;
  /** `-n`, `--name`. */
  readonly words: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  /** What the value can be, where that is known. */
  readonly values: readonly string[];
}

/** A command or a group, as far as completion sees it. */
interface Place {
  /** The command words: `daemon start`; empty at the root. */
  readonly path: string;
  readonly description: string;
  readonly subCommands: readonly string[];
  readonly options: readonly Completion[];
  /** Whether its operand is the name of a grant. */
  readonly takesGrant: boolean;
}

const CONFIGS = "keyhole config list 2>/dev/null";
const GRANTS = "keyhole grant list --names 2>/dev/null";

/** What prints the values of an option, by its name. */
const LISTERS: Readonly<Record<string, string>> = { name: CONFIGS, config: CONFIGS, grant: GRANTS };

/** A new shell is an entry. */
const completionScripts = {
  bash: async (root) => renderBash(await placesOf(root, "")),
  zsh: async (root) => renderZsh(renderBash(await placesOf(root, ""))),
  fish: async (root) => renderFish(await placesOf(root, "")),
  powershell: async (root) => renderPowershell(await placesOf(root, "")),
} as const satisfies Record<string, (root: CommandGroup) => Promise<string>>;

type CompletionShell = keyof typeof completionScripts;

const shells = Object.keys(completionScripts) as CompletionShell[];

export default defineCommand({
  meta: { name: "completion", description: "Print a script for the completion of bash, zsh, fish or PowerShell" },
  examples: ['eval "$(keyhole completion bash)"', "keyhole completion fish"],
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

async function placesOf(group: CommandGroup, path: string): Promise<Place[]> {
  const entries = Object.entries(group.subCommands);
  const here: Place = {
    path,
    description: group.meta.description,
    subCommands: entries.map(([name]) => name),
    options: path === "" ? optionsOf(commonOptions) : [],
    takesGrant: false,
  };
  const below = entries.map(async ([name, entry]) => {
    const place = `${path} ${name}`.trim();
    if (typeof entry !== "function") return placesOf(entry, place);
    const { args, meta } = await entry();
    const options = [...optionsOf(args as Record<string, ArgDef>), ...optionsOf({ help: commonOptions.help })];
    const takesGrant = Object.values(args as Record<string, ArgDef>).includes(grantOperand);
    return [{ path: place, description: meta.description, subCommands: [], options, takesGrant }];
  });
  return [here, ...(await Promise.all(below)).flat()];
}

function optionsOf(defs: Readonly<Record<string, ArgDef>>): Completion[] {
  return Object.entries(defs).flatMap(([name, def]) => {
    if (def.type === "positional") return [];
    const aliases = [def.alias ?? []].flat().map((alias) => `-${alias}`);
    const negations = def.type === "boolean" && def.default === true ? [`--no-${name}`] : [];
    return {
      name,
      words: [...aliases, `--${name}`, ...negations],
      description: def.description,
      takesValue: def.type !== "boolean",
      values: def.type === "enum" ? def.options : [],
    };
  });
}

/**
 * Also run by zsh: there `path` is the PATH, and an offset must not begin with a letter. What a lister prints is data:
 * compgen -W would evaluate it, and what is put on the command line is run with it, so only plain names are offered.
 */
function renderBash(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => `" ${path}"`);
  const words = places.map(({ path, subCommands, options, takesGrant }) => {
    const operands = takesGrant ? [`$(${GRANTS})`] : [];
    const all = [...subCommands, ...operands, ...options.flatMap((option) => option.words)];
    return `    "${path && ` ${path}`}") words="${all.join("\n")}" ;;`;
  });
  const values = places.flatMap(({ path, options }) =>
    options
      .filter((option) => option.values.length > 0)
      .map((option) => {
        const uses = option.words.map((word) => `" ${path} ${word}"`).join("|");
        return `    ${uses}) words="${option.values.join("\n")}" ;;`;
      }),
  );
  return `_keyhole() {
  local word words command="" cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do
    case "$word" in --) return ;; esac
    case "$command $word" in
      ${known.join("|")}) command="$command $word" ;;
    esac
  done
  case "$command" in
${words.join("\n")}
  esac
  case "$command $prev" in
    *" -n"|*" --name"|*" --config") words="$(${CONFIGS})" ;;
    *" --grant") words="$(${GRANTS})" ;;
    *" -cd"|*" --config-dir"|*" -sp"|*" --socket-path"|*" -lp"|*" --logging-path") return ;;
${values.join("\n")}
  esac
  while IFS= read -r word; do
    case "$word" in
      ""|*[!A-Za-z0-9_.-]*) ;;
      "$cur"*) COMPREPLY+=("$word") ;;
    esac
  done <<<"$words"
}
complete -o default -F _keyhole keyhole`;
}

/**
 * zsh runs bash's functions; its own format would be a second program to keep right. The same text can be sourced, or
 * be the file `_keyhole` in a directory of fpath: then it is run for the first completion, and has to give that one.
 */
function renderZsh(bash: string): string {
  return `#compdef keyhole
autoload -U +X bashcompinit && bashcompinit
${bash}
if [[ \${funcstack[1]} = _keyhole ]]; then _bash_complete -o default -F _keyhole; fi`;
}

function renderFish(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => quoteFish(path));
  const lines = places.flatMap((place) => {
    const at = `complete -c keyhole -n ${quoteFish(`test (__keyhole_path) = ${quoteFish(place.path)}`)}`;
    const subCommands = place.subCommands.map((name) => {
      const { description } = places.find(({ path }) => path === `${place.path} ${name}`.trim())!;
      return `${at} -a ${name} -d ${quoteFish(description)}`;
    });
    const operands = place.takesGrant ? [`${at} -a ${quoteFish(`(${GRANTS})`)}`] : [];
    return [...subCommands, ...operands, ...place.options.map((option) => `${at} ${renderFishOption(option)}`)];
  });
  return `function __keyhole_path
  set -l path
  for word in (commandline -opc)[2..-1]
    contains -- (string join ' ' $path $word) ${known.join(" ")}; and set -a path $word
  end
  echo "$path"
end
complete -c keyhole -f
${lines.join("\n")}`;
}

function renderFishOption({ name, words, description, takesValue, values }: Completion): string {
  const flags = words.map((word) => {
    if (word.startsWith("--")) return `-l ${word.slice(2)}`;
    return word.length === 2 ? `-s ${word.slice(1)}` : `-o ${word.slice(1)}`;
  });
  if (takesValue) flags.push("-r");
  const lister = LISTERS[name];
  if (lister !== undefined && takesValue) flags.push(`-a ${quoteFish(`(${lister})`)}`);
  else if (values.length > 0) flags.push(`-a ${quoteFish(values.join(" "))}`);
  else if (name.endsWith("-dir") || name.endsWith("-path")) flags.push("-F");
  return [...flags, "-d", quoteFish(description)].join(" ");
}

/** For Windows PowerShell 5 and pwsh 7. The completer of a native command is given the words as syntax, not as text. */
function renderPowershell(places: readonly Place[]): string {
  const words = places.map(({ path, subCommands, options }) => {
    const all = [...subCommands, ...options.flatMap((option) => option.words)];
    return `    ${quotePowershell(path)} = ${powershellWords(all)}`;
  });
  const values = places.flatMap(({ path, options }) =>
    options
      .filter((option) => option.values.length > 0)
      .flatMap((option) =>
        option.words.map((word) => `    ${quotePowershell(`${path} ${word}`)} = ${powershellWords(option.values)}`),
      ),
  );
  const granted = places.filter(({ takesGrant }) => takesGrant).map(({ path }) => path);
  const [configs, grants] = [CONFIGS, GRANTS].map((command) => command.replace("2>/dev/null", "2>$null"));
  return `Register-ArgumentCompleter -Native -CommandName keyhole -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @{
${words.join("\n")}
  }
  $values = @{
${values.join("\n")}
  }
  $typed = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
    Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($typed -contains '--') { return }
  $path = ''
  foreach ($word in $typed) {
    $longer = "$path $word".Trim()
    if ($words.ContainsKey($longer)) { $path = $longer }
  }
  $last = if ($typed.Count -gt 0) { $typed[-1] } else { '' }
  $offered = if ($last -cin '-n', '--name', '--config') { ${configs} }
    elseif ($last -ceq '--grant') { ${grants} }
    elseif ($last -cin '-cd', '--config-dir', '-sp', '--socket-path', '-lp', '--logging-path') { return }
    elseif ($values.ContainsKey("$path $last")) { $values["$path $last"] }
    elseif ($path -cin ${powershellWords(granted)}) { @(${grants}) + $words[$path] }
    else { $words[$path] }
  $offered | Where-Object { $_ -cmatch '^[\\w.-]+$' -and "$_".StartsWith($wordToComplete) } |
    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}`;
}

function powershellWords(words: readonly string[]): string {
  return `@(${words.map(quotePowershell).join(", ")})`;
}
