// keyhole service: a daemon that the system starts, keeps and ends.
import { chmodSync, existsSync } from "node:fs";
import { ensureDirectory, ensurePrivateDirectory } from "../../files/directories.ts";
import { removeFile, writeAtomically } from "../../files/writing.ts";
import { directoryOf } from "../../paths.ts";
import { defineCommand } from "../command.ts";
import { stopDaemon } from "../daemon/stopping.ts";
import { formatJson, formatTable, jsonOption } from "../answers.ts";
import { checkExecutable, checkSharedPlace } from "../service/requirements.ts";
import { planService, serviceOptions } from "../service/plan.ts";
import { refuseForeignFiles, requireManager } from "../service/unit.ts";
import { dryRunOption, formatCommand, renderCommands, runTools, type ToolCommand } from "../programs/tools.ts";
import { errors } from "../../errors.ts";

const changeOptions = { ...serviceOptions, "dry-run": dryRunOption, json: jsonOption } as const;

/** Every user who may run `systemctl cat` reads them; they hold no secret. */
const UNIT_MODE = 0o644;

export const install = defineCommand({
  meta: { name: "service install", description: "Let systemd or launchd start the daemon, and keep it" },
  examples: ["keyhole service install", "keyhole service install --dry-run"],
  where: "host",
  args: changeOptions,
  async run(context) {
    const { args, output, ui, host } = context;
    const { plan, settings, isOwn, operator } = planService(context, args, "install");
    if (operator !== undefined) {
      const place = directoryOf(settings.paths.sharedSocket);
      checkSharedPlace(place, { operator, root: host.userId(), makesAbove: false });
    }
    const answer = { service: plan.name, files: plan.files, commands: plan.install.map(formatCommand) };
    if (args["dry-run"]) {
      if (args.json) return output.line(formatJson({ ...answer, done: false }));
      for (const { path, text } of plan.files) output.line(`# ${path}\n${text}`);
      return output.line(renderCommands(plan.install));
    }
    if (operator !== undefined) checkExecutable(host.command[0]!, [operator, host.userId()]);
    await requireManager(context, isOwn);
    refuseForeignFiles(plan.files);
    if (isOwn) ensurePrivateDirectory(directoryOf(settings.paths.socket));
    for (const { path, text } of plan.files) {
      ensureDirectory(directoryOf(path), host.userId());
      writeAtomically(path, text, { exclusive: false, durable: true });
      chmodSync(path, UNIT_MODE);
      ui.notice(`wrote ${path}`);
    }
    // It would hold the lock that the service's daemon needs. Its sessions come back.
    const stopped = await stopDaemon(settings, host);
    if (stopped !== undefined) ui.notice(`daemon stopped (pid ${stopped}): the service takes its place`);
    // An older installation's, if there is one.
    if (host.platform === "darwin") for (const command of plan.uninstall) await host.runTool(command);
    await runTools(plan.install, host, (line) => ui.notice(line));
    ui.notice(`${plan.name} is installed`);
    for (const remark of plan.remarks) ui.notice(remark);
    if (args.json) output.line(formatJson({ ...answer, done: true, stopped }));
  },
});

export const uninstall = defineCommand({
  meta: { name: "service uninstall", description: "End the service of the daemon, and remove it" },
  examples: ["keyhole service uninstall", "keyhole service uninstall --dry-run"],
  where: "host",
  args: changeOptions,
  async run(context) {
    const { args, output, ui, host } = context;
    const { plan } = planService(context, args, "uninstall");
    const removals = plan.files.map(({ path }): ToolCommand => ["rm", path]);
    const commands = [...plan.uninstall, ...removals, ...plan.forget];
    const answer = (done: boolean) => {
      if (args.json) output.line(formatJson({ service: plan.name, commands: commands.map(formatCommand), done }));
    };
    if (args["dry-run"]) {
      if (!args.json) output.line(renderCommands(commands));
      return answer(false);
    }
    const isInstalled = plan.files.some(({ path }) => existsSync(path));
    if (!isInstalled) {
      ui.notice(`${plan.name} is not installed`);
      return answer(false);
    }
    refuseForeignFiles(plan.files);
    // What fails here was not there, or its manager is not; the files go all the same.
    for (const command of plan.uninstall) await host.runTool(command);
    for (const { path } of plan.files) if (removeFile(path)) ui.notice(`removed ${path}`);
    for (const command of plan.forget) await host.runTool(command);
    ui.notice(`${plan.name} is uninstalled`);
    return answer(true);
  },
});

export const status = defineCommand({
  meta: { name: "service status", description: "Show the service of the daemon; exit status 3 if it is not running" },
  examples: ["keyhole service status", "keyhole service status --shared"],
  where: "host",
  args: { ...serviceOptions, json: jsonOption },
  async run(context) {
    const { args, output, ui, host } = context;
    const { plan } = planService(context, args, "status");
    const isInstalled = plan.files.every(({ path }) => existsSync(path));
    const { status: exit, stdout } = await host.runTool(plan.status);
    const facts = exit === 0 ? readFacts(stdout) : new Map<string, string>();
    // launchd says `state = running`.
    const state = facts.get("ActiveState") ?? facts.get("state") ?? "unknown";
    const isRunning = isInstalled && (state === "active" || state === "running");
    const pid = Number(facts.get("MainPID") ?? facts.get("pid") ?? 0);
    const answer = {
      service: plan.name,
      installed: isInstalled,
      running: isRunning,
      state,
      enabled: facts.get("UnitFileState") === "enabled",
      pid: pid > 0 ? pid : undefined,
      restarts: Number(facts.get("NRestarts") ?? 0),
      files: plan.files.map(({ path }) => path),
    };
    if (args.json) output.line(formatJson(answer));
    else {
      const rows = Object.entries(answer).filter(([, value]) => value !== undefined);
      output.line(formatTable(rows.map(([name, value]) => [name, [value].flat().join(" ")])));
    }
    if (!isInstalled && !args.json) ui.hint("keyhole service install");
    return isRunning ? 0 : errors.unreachable.exit;
  },
});

/** `Name=value` of systemctl, `name = value` of launchctl; the first of a name counts. */
function readFacts(text: string): Map<string, string> {
  const facts = new Map<string, string>();
  for (const [, name, value] of text.matchAll(/^\s*(\w+) ?= ?(.*)$/gm)) if (!facts.has(name!)) facts.set(name!, value!);
  return facts;
}
