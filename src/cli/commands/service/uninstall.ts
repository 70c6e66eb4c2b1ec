// keyhole service uninstall: ends the service and removes its files. Sessions and configs stay as they are.
import { existsSync } from "node:fs";
import { removeFile } from "../../../files/writing.ts";
import { defineCommand } from "../../command.ts";
import { formatJson, jsonOption } from "../../json.ts";
import { planService, serviceOptions } from "../../service/plan.ts";
import { refuseForeignFiles } from "../../service/unit.ts";
import { dryRunOption, formatCommand, renderCommands, type ToolCommand } from "../../programs/tools.ts";

export default defineCommand({
  meta: { name: "service uninstall", description: "End the service of the daemon, and remove it" },
  where: "host",
  args: {
    ...serviceOptions,
    "dry-run": dryRunOption,
    json: jsonOption,
  },
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
