// keyhole service uninstall: ends the service and removes its files. Sessions and configs stay as they are.
import { existsSync } from "node:fs";
import { removeFile } from "../../../files/writing.ts";
import { defineCommand } from "../../command.ts";
import { planService, serviceOptions } from "../../service/plan.ts";
import { refuseForeignFiles } from "../../service/unit.ts";
import { formatCommand } from "../../programs/tools.ts";

export default defineCommand({
  meta: { name: "service uninstall", description: "End the service of the daemon, and remove it" },
  args: {
    ...serviceOptions,
    "dry-run": { type: "boolean", description: "Print the files and the commands, and do nothing" },
  },
  async run(context) {
    const { args, output, ui, host } = context;
    const { plan } = planService(context, args);
    if (args["dry-run"]) {
      for (const command of plan.uninstall) output.line(`$ ${formatCommand(command)}`);
      for (const { path } of plan.files) output.line(`$ ${formatCommand(["rm", path])}`);
      for (const command of plan.forget) output.line(`$ ${formatCommand(command)}`);
      return;
    }
    const isInstalled = plan.files.some(({ path }) => existsSync(path));
    if (!isInstalled) return ui.notice(`${plan.name} is not installed`);
    refuseForeignFiles(plan.files);
    // What fails here was not there, or its manager is not; the files go all the same.
    for (const command of plan.uninstall) await host.runTool(command);
    for (const { path } of plan.files) if (removeFile(path)) ui.notice(`removed ${path}`);
    for (const command of plan.forget) await host.runTool(command);
    return ui.notice(`${plan.name} is uninstalled`);
  },
});
