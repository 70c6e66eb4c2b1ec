// keyhole bridge: a grant through a pipe, into whatever a program reaches: a container, another machine.
import { KeyholeError } from "../../errors.ts";
import { absolutePath } from "../../paths.ts";
import type { GrantInfo } from "../../wire/messages.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { findGrant } from "../grants/grants.ts";
import { grantSocketOf } from "../where.ts";

const HELP = "keyhole bridge --help";

export default defineCommand({
  meta: { name: "bridge", description: "Carry a grant through a pipe, such as docker exec -i or ssh" },
  examples: [
    "keyhole bridge agent -- docker exec -i app keyhole bridge --stdio --at /tmp/kh",
    "keyhole bridge agent -- ssh HOST keyhole bridge --stdio --at /tmp/kh",
  ],
  where: "both",
  args: {
    grant: { type: "positional", required: false, description: "The grant, on the side that has it" },
    stdio: { type: "boolean", description: "Be the other end: ask through stdin and stdout" },
    at: { type: "string", valueHint: "DIR", description: "Where the other end puts socket and files (one of its own)" },
  },
  rest: "optional",
  notes: [
    "On the side that has the grant: keyhole bridge GRANT -- COMMAND runs COMMAND, which must lead to the other end,",
    "keyhole bridge --stdio. There DIR is what a mounted grant is: export AWS_CONFIG_FILE=DIR/aws-config, or all of DIR/env.",
    "It is gone when the pipe ends. Inside a sandbox that has a grant, GRANT is left out.",
  ],
  async run(context) {
    const { args, rest } = context;
    if (args.stdio) {
      if (args.grant !== undefined || rest.length > 0) throw mistake("--stdio takes neither a grant nor a command");
      return serveStdio(context, args.at);
    }
    if (args.at !== undefined) throw mistake("--at is for the end with --stdio");
    if (rest.length === 0) throw mistake("no command is given");
    const socket = await socketOf(context, args.grant);
    const [{ runAnswered }, { isatty }] = await Promise.all([import("../programs/bridge-ends.ts"), import("node:tty")]);
    return runAnswered(context, socket, rest, isatty(2));
  },
});

/** The grant's that is named; else the one that this process was given. */
async function socketOf(context: CommandContext, name: string | undefined): Promise<string> {
  const target = context.target();
  if (name === undefined) return grantSocketOf(target, context.settings, HELP);
  if (target.kind === "grant") throw mistake("a sandbox has one grant: GRANT is left out");
  return socketIn(await findGrant(context, name));
}

function socketIn({ name, deliver, directory }: GrantInfo): string {
  if (deliver === "socket") return `${directory}/sock`;
  throw new KeyholeError("usage", `the grant ${name} has no socket: it is delivered as a file`, "keyhole grant list");
}

async function serveStdio(context: CommandContext, at: string | undefined): Promise<void> {
  const { isatty } = await import("node:tty");
  if (isatty(0) || isatty(1)) throw mistake("stdin and stdout are a terminal, not the two ends of a pipe");
  const { environment, settings, host } = context;
  const { openBridgeDirectory } = await import("../programs/bridge-ends.ts");
  const { serveDirectory } = await import("../programs/bridge-ends.ts");
  const path = at === undefined ? undefined : absolutePath(at, () => host.cwd());
  const directory = openBridgeDirectory(path, environment, settings.paths);
  try {
    await serveDirectory(context, Bun.stdin.stream(), directory);
  } finally {
    directory.remove();
  }
}

function mistake(message: string): KeyholeError {
  return new KeyholeError("usage", message, HELP);
}
