// keyhole service install: a daemon that the system starts, keeps and ends.
import { chmodSync } from "node:fs";
import { ensureDirectory, ensurePrivateDirectory } from "../../../files/directories.ts";
import { writeAtomically } from "../../../files/writing.ts";
import { directoryOf } from "../../../paths.ts";
import { defineCommand } from "../../command.ts";
import { stopDaemon } from "../../daemon/lifecycle.ts";
import { formatJson, jsonOption } from "../../json.ts";
import { checkExecutable, checkSharedPlace } from "../../service/requirements.ts";
import { planService, serviceOptions } from "../../service/plan.ts";
import { refuseForeignFiles, requireManager } from "../../service/unit.ts";
import { dryRunOption, formatCommand, renderCommands, runTools } from "../../programs/tools.ts";

/** Whoever may run `systemctl cat` reads them; they hold no secret. */
const UNIT_MODE = 0o644;

export default defineCommand({
  meta: { name: "service install", description: "Let systemd or launchd start the daemon, and keep it" },
  where: "host",
  args: {
    ...serviceOptions,
    "dry-run": dryRunOption,
    json: jsonOption,
  },
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
    // Of an older installation; none is no failure.
    if (host.platform === "darwin") for (const command of plan.uninstall) await host.runTool(command);
    await runTools(plan.install, host, (line) => ui.notice(line));
    ui.notice(`${plan.name} is installed`);
    for (const remark of plan.remarks) ui.notice(remark);
    if (args.json) output.line(formatJson({ ...answer, done: true, stopped }));
  },
});
