// keyhole setup agent-access: the group and the directory by which another user of this machine, such as the one that
// agents run as, reaches a shared daemon. Repeating it changes nothing.
import { KeyholeError } from "../../errors.ts";
import { directoryOf } from "../../paths.ts";
import { checkAccountName, checkSharedPlace, requireRoot } from "../service/requirements.ts";
import { type CommandContext, defineCommand, type Host } from "../command.ts";
import { formatJson, jsonOption } from "../answers.ts";
import { dryRunOption, formatCommand, renderCommands, runTools, type ToolCommand } from "../programs/tools.ts";

export default defineCommand({
  meta: { name: "setup agent-access", description: "Let another user reach a shared daemon, by a group; needs root" },
  examples: [
    "keyhole setup agent-access --agent-user agent --dry-run",
    "keyhole setup agent-access --agent-user agent --daemon-user operator",
  ],
  where: "host",
  args: {
    "agent-user": { type: "string", required: true, valueHint: "USER", description: "Who is to be served" },
    "daemon-user": { type: "string", valueHint: "USER", description: "Who runs the shared daemon ($SUDO_USER)" },
    group: { type: "string", valueHint: "GROUP", default: "keyhole", description: "Whose members are served" },
    "dry-run": dryRunOption,
    json: jsonOption,
  },
  async run(context) {
    const { args, environment, settings, output, ui, host } = context;
    const group = checkAccountName(args.group, "--group");
    const agent = checkAccountName(args["agent-user"], "--agent-user");
    const typed = ["keyhole setup agent-access --agent-user", agent].join(" ");
    requireRoot(host, args["daemon-user"] === undefined ? typed : `${typed} --daemon-user ${args["daemon-user"]}`);
    const daemon = checkAccountName(args["daemon-user"] ?? environment["SUDO_USER"] ?? "", "--daemon-user");
    if (agent === daemon) throw new KeyholeError("usage", "agent and daemon are the same user: nothing separates them");
    await requirePerson(agent, "--agent-user", host);
    const operator = await requirePerson(daemon, "--daemon-user", host);
    const directory = directoryOf(settings.paths.sharedSocket);
    const missing = checkSharedPlace(directory, { operator, root: host.userId(), makesAbove: true });
    const commands = [
      ...(await groupCommands(group, [daemon, agent], host)),
      // What lies above is root's. Not with -p: another user must not have made it already.
      ...missing.map((above): ToolCommand => ["mkdir", "-m", "0755", above]),
      // Set-group-ID, so that the socket is the group's, whichever user makes it.
      ["install", "-d", "-m", "2750", "-o", daemon, "-g", group, directory] as const,
    ];
    if (!args["dry-run"]) await runTools(commands, host, (line) => ui.notice(line));
    if (args.json)
      output.line(formatJson({ directory, commands: commands.map(formatCommand), done: !args["dry-run"] }));
    else if (args["dry-run"]) output.line(renderCommands(commands));
    sayNext(ui, { agent, daemon, group });
  },
});

/** The uid. @throws KeyholeError `usage` for root, who needs no access and must not be an agent, and for a user who does not exist. */
async function requirePerson(name: string, origin: string, host: Host): Promise<number> {
  const { status, stdout } = await host.runTool(["id", "-u", name]);
  if (status !== 0) throw new KeyholeError("usage", `${origin}: there is no user ${name}`, "getent passwd");
  const uid = Number(stdout.trim());
  if (uid === 0) throw new KeyholeError("usage", `${origin} is root, which no group can keep out`);
  return uid;
}

async function groupCommands(group: string, users: readonly string[], host: Host): Promise<ToolCommand[]> {
  const isMac = host.platform === "darwin";
  const read: ToolCommand = isMac ? ["dseditgroup", "-o", "read", group] : ["getent", "group", group];
  const exists = (await host.runTool(read)).status === 0;
  const create: ToolCommand = isMac ? ["dseditgroup", "-o", "create", group] : ["groupadd", "--system", group];
  const commands = exists ? [] : [create];
  for (const user of users) {
    const { stdout } = await host.runTool(["id", "-Gn", user]);
    if (stdout.trim().split(/\s+/).includes(group)) continue;
    commands.push(
      isMac
        ? ["dseditgroup", "-o", "edit", "-a", user, "-t", "user", group]
        : ["usermod", "--append", "--groups", group, user],
    );
  }
  return commands;
}

function sayNext(
  ui: CommandContext["ui"],
  { agent, daemon, group }: { readonly agent: string; readonly daemon: string; readonly group: string },
): void {
  ui.notice("next:");
  ui.notice(
    `  ${daemon} says who may have what in ~/.keyhole/shared.yaml: allow: [{ user: ${agent}, configs: [NAME] }]`,
  );
  ui.notice(`  ${daemon} runs it: keyhole --daemon --shared`);
  ui.notice(
    `  or the system does, also after a boot: keyhole service install --shared --user ${daemon} --group ${group}`,
  );
  ui.notice(`  ${agent} logs in anew, to be in the group, and asks: keyhole export -n NAME`);
}
