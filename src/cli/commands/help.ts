// keyhole help: the index of topics, a topic, or what --help says of a command.
import { KeyholeError } from "../../errors.ts";
import { titleOf, topics } from "../../help/topics.ts";
import { didYouMean } from "../../text/suggest.ts";
import { type ArgValues, findCommand } from "../../arguments.ts";
import { type AnyCommand, type CommandContext, type CommandGroup, commonOptions, defineCommand } from "../command.ts";
import { renderHelp } from "../help.ts";

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
  if (man) {
    const manual = await import("../manual.ts");
    if (isTopic) return output.line(manual.renderTopicPage(topic));
    return output.line(await manual.renderPage(target ?? root));
  }
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
