// keyhole service status: what the service manager says. Exit status 3 where the service does not run.
import { existsSync } from "node:fs";
import { errors } from "../../../errors.ts";
import { formatTable } from "../../columns.ts";
import { defineCommand } from "../../command.ts";
import { formatJson, jsonOption } from "../../json.ts";
import { planService, serviceOptions } from "../../service/plan.ts";

export default defineCommand({
  meta: { name: "service status", description: "Show the service of the daemon; exit status 3 if it is not running" },
  where: "host",
  args: { ...serviceOptions, json: jsonOption },
  async run(context) {
    const { args, output, ui, host } = context;
    const { plan } = planService(context, args, "status");
    const isInstalled = plan.files.every(({ path }) => existsSync(path));
    const { status, stdout } = await host.runTool(plan.status);
    const facts = status === 0 ? readFacts(stdout) : new Map<string, string>();
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
