// keyhole doctor: what is wrong with this machine, or with the sandbox that this runs in, and how to mend it. Only looks.
import { definedVariables } from "../../environment.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { exitStatusOf, type Finding, renderFindings, runChecks } from "../doctor/finding.ts";
import { formatJson, jsonOption, wideOption, widthFor } from "../answers.ts";
import { environmentOutside } from "../programs/nesting.ts";

export default defineCommand({
  meta: { name: "doctor", description: "Check this machine, or the sandbox that this runs in, and say what mends it" },
  examples: ["keyhole doctor", "keyhole doctor --inside"],
  where: "both",
  args: {
    inside: { type: "boolean", description: "Check the sandbox that this runs in, as in a grant's directory" },
    json: jsonOption,
    wide: { ...wideOption, description: "Show what is in order as well, also on a terminal" },
  },
  notes: ["The exit status is 1 with a problem; warnings alone are 0. Nothing is changed, and AWS is not asked."],
  async run(context) {
    const { args, target, output } = context;
    const isInside = args.inside || target().kind === "grant";
    const findings = await (isInside ? examineSandbox(context) : examineHost(context));
    output.line(args.json ? formatJson(findings) : renderFindings(findings, widthFor(args.wide, output) !== undefined));
    return exitStatusOf(findings);
  },
});

type Context = Pick<CommandContext, "settings" | "environment" | "host">;

async function examineHost({ settings, environment, host }: Context): Promise<Finding[]> {
  const [{ lookAtDaemon, askVersion }, { hostChecks }, { readSharedFiles }] = await Promise.all([
    import("../doctor/machines.ts"),
    import("../doctor/checks.ts"),
    import("../reading-in-child.ts"),
  ]);
  // What keyhole put into this shell is not a source.
  const outside = environmentOutside(environment);
  const machine = {
    settings,
    environment: outside,
    command: host.command,
    uid: process.getuid?.() ?? 0,
    platform: process.platform,
    now: host.now(),
    daemon: await lookAtDaemon(settings),
    ...(await readSharedFiles(host, definedVariables(outside))),
    proc: "/proc",
    run: "/run",
    devices: "/dev",
    versionOf: askVersion,
  };
  return runChecks(hostChecks, machine, (milliseconds) => host.wait(milliseconds));
}

async function examineSandbox({ settings, environment, host }: Context): Promise<Finding[]> {
  const [{ findGrantDirectory, SYSTEM_PLACES }, { insideChecks }, { probes }] = await Promise.all([
    import("../doctor/machines.ts"),
    import("../doctor/checks.ts"),
    import("../doctor/probes.ts"),
  ]);
  const machine = {
    environment,
    grant: findGrantDirectory(settings, environment, host),
    home: environment["HOME"] || undefined,
    uid: process.getuid?.() ?? 0,
    keyholeHome: settings.paths.home,
    controlSocket: `${settings.paths.home}/sock/daemon.sock`,
    now: host.now(),
    readForeign: (paths: readonly string[]) => host.readForeign(paths),
    places: SYSTEM_PLACES,
    probes,
  };
  return runChecks(insideChecks, machine, (milliseconds) => host.wait(milliseconds));
}
