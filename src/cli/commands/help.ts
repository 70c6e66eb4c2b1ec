// keyhole help: the index of topics, a topic, or what --help says of a command.
import { KeyholeError } from "../../errors.ts";
import { titleOf, topics } from "../../help/topics.ts";
import { didYouMean } from "../../text/suggest.ts";
import { type ArgValues, findCommand } from "../../arguments.ts";
import { type AnyCommand, type CommandContext, type CommandGroup, commonOptions, defineCommand } from "../command.ts";
import { type Page, pageOf, paragraphsOf, renderHelp, type Section } from "../help.ts";
import { version } from "../../version.ts";

const args = {
  topic: { type: "positional", required: false, description: "A topic of the index, or a command" },
  command: { type: "positional", required: false, description: "Which command of a group: help config add" },
  man: { type: "boolean", description: "Print a manual page, of everything where no topic is named" },
} as const;

const help = defineCommand({
  meta: { name: "help", description: "Read about a topic or a command; alone, list the topics" },
  examples: ["keyhole help agents", "keyhole help config add"],
  where: "both",
  args,
  run: (context) => showHelp(context.args, context),
});
export default help;

/** @throws KeyholeError `usage` for a word that is neither */
export async function showHelp(
  { topic, command, man }: ArgValues<typeof args>,
  { host, output, root }: Pick<CommandContext, "host" | "output" | "root">,
): Promise<void> {
  const isTopic = topic !== undefined && command === undefined && Object.hasOwn(topics, topic);
  const target = topic === undefined || isTopic ? undefined : await commandOf([topic, command ?? []].flat(), root);
  if (man) return output.line(isTopic ? renderTopicPage(topic) : await renderPage(target ?? root));
  if (target !== undefined) return output.line(await renderHelp(target));
  if (!isTopic) return output.line(index());
  const text = topics[topic]!;
  if (!(await host.page((colors) => render(text, colors)))) output.line(render(text, false));
}

async function commandOf(words: readonly string[], root: CommandGroup): Promise<AnyCommand | CommandGroup> {
  try {
    const { target } = findCommand(root, words, commonOptions);
    return typeof target === "function" ? await target() : target;
  } catch (error) {
    const meant = words.length === 1 ? didYouMean(words[0]!, Object.keys(topics)) : "";
    if (meant === "") throw error;
    throw new KeyholeError("usage", `unknown topic ${words[0]}${meant}`, "keyhole help");
  }
}

function index(): string {
  const width = Math.max(...Object.keys(topics).map((topic) => topic.length));
  const lines = Object.entries(topics).map(([topic, text]) => `  ${topic.padEnd(width)}  ${titleOf(text)}`);
  return ["Topics, each shown by keyhole help TOPIC:", "", ...lines, "", "Commands: keyhole --help"].join("\n");
}

/** Bun's own renderer; without colours it draws in ASCII. */
function render(text: string, colors: boolean): string {
  return Bun.markdown.ansi(text, { columns: 80, colors }).trimEnd();
}

/** A heading begins a paragraph by itself. */
const NEEDLESS = /^(\.S[HS] .*)\n\.PP$/gm;

type Target = AnyCommand | CommandGroup;

/** The page of a command or a group; keyhole(1), of the root, has all commands and topics. */
export async function renderPage(target: Target): Promise<string> {
  const { name, description, usage, sections } = await pageOf(target);
  const commands = "subCommands" in target && target.meta.name === "" ? await commandsOf(target) : undefined;
  const pages = await Promise.all((commands ?? []).map(pageOf));
  return [
    ...heading(name, description),
    ".SH SYNOPSIS",
    ...example(usage.map((line) => `${name} ${line}`)),
    ...sections.flatMap(renderSection),
    ...pages.flatMap(renderCommand),
    ...(commands === undefined ? [".SH SEE ALSO", ".BR keyhole (1)"] : Object.values(topics).map(renderTopic)),
  ]
    .join("\n")
    .replaceAll(NEEDLESS, "$1");
}

export function renderTopicPage(topic: string): string {
  const text = topics[topic]!;
  return [...heading(`keyhole ${topic}`, titleOf(text), 7), renderTopic(text)].join("\n").replaceAll(NEEDLESS, "$1");
}

async function commandsOf({ subCommands }: CommandGroup): Promise<Target[]> {
  const found = Object.values(subCommands).map(async (entry) =>
    typeof entry === "function" ? [await entry()] : commandsOf(entry),
  );
  return (await Promise.all(found)).flat();
}

function heading(name: string, description: string, chapter = 1): string[] {
  const page = name.replaceAll(" ", "-");
  return [
    `.TH "${page.toUpperCase()}" ${chapter} "" "keyhole ${version}" ""`,
    // Names of files and variables are not divided.
    ".nh",
    ".ad l",
    ".SH NAME",
    `${page} \\- ${escape(description)}`,
  ];
}

function renderCommand({ name, description, usage, sections }: Page): string[] {
  const lines = usage.map((line) => `${name} ${line}`);
  return [
    `.SH "${escape(name.toUpperCase())}"`,
    escape(description),
    ...example(lines),
    // A section in a section has no heading of its own level: its rows and lines say what they are.
    ...sections.flatMap(renderRows),
  ];
}

function renderSection(section: Section): string[] {
  return [`.SH "${escape(section.title)}"`, ...renderRows(section)];
}

function renderRows({ rows = [], lines = [], commands = [] }: Section): string[] {
  const terms = rows.flatMap(([term, text]) => [".TP", `\\fB${escape(term)}\\fR`, guard(escape(text))]);
  const texts = paragraphsOf(lines).flatMap((line) =>
    line.startsWith("  ") ? example([line.trim()]) : [".PP", guard(escape(line))],
  );
  return [...terms, ...texts, ...(commands.length > 0 ? example(commands) : [])];
}

function example(lines: readonly string[]): string[] {
  return exampleOf(lines.map(escape).join("\n"));
}

/** @param text escaped already */
function exampleOf(text: string): string[] {
  return [".PP", ".RS 4", ".nf", guard(text), ".fi", ".RE"];
}

/** What troff takes for itself: what would be typographic, and what it reads in bytes. */
function escape(text: string): string {
  const glyphs: Readonly<Record<string, string>> = {
    "\\": "\\e",
    "-": "\\-",
    "'": "\\(aq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
    '"': "\\(dq",
  };
  return text
    .replaceAll(/[-\\'`^~"]/g, (glyph) => glyphs[glyph]!)
    .replaceAll(/\P{ASCII}/gu, (glyph) => `\\[u${glyph.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`);
}

/** A line that begins with a dot is no request. */
function guard(text: string): string {
  return text.replaceAll(/^\./gm, "\\&.");
}

function renderTopic(text: string): string {
  let head: string[] = [];
  let cells: string[] = [];
  const said = Bun.markdown.render(text, {
    text: escape,
    heading: (title, { level }) => `${level === 1 ? ".SH" : ".SS"} "${title}"\n`,
    paragraph: (words) => `.PP\n${guard(words)}\n`,
    strong: (words) => `\\fB${words}\\fR`,
    codespan: (words) => `\\fB${words}\\fR`,
    link: (words) => words,
    code: (lines) => `${exampleOf(lines.trimEnd()).join("\n")}\n`,
    list: (items) => items,
    listItem: (words) => `.IP \\(bu 2\n${guard(words.trim())}\n`,
    th: (words) => void head.push(words),
    thead: () => "",
    td: (words) => void cells.push(words),
    tr: () => {
      const [term = "", ...rest] = cells;
      const texts = rest.length === 1 ? rest : rest.map((cell, at) => `${head[at + 1]}: ${cell}`);
      cells = [];
      return term === "" ? "" : `.TP\n\\fB${term}\\fR\n${guard(texts.join("; "))}\n`;
    },
    table: (rows) => {
      head = [];
      return rows;
    },
  });
  return said.trimEnd();
}
