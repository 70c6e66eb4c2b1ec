// keyhole grant show, list and path: everything about one grant, or how one tool is given it; all of them; what to mount.
import { KeyholeError } from "../../../errors.ts";
import { defineCommand } from "../../command.ts";
import { findGrant, findSource, grantOperand, listGrants } from "../../grants/grants.ts";
import { grantToJson, renderGrant, renderGrants } from "../../grants/view.ts";
import { formatJson, jsonOption, wideOption, widthFor } from "../../answers.ts";
import { recipeHostOf, refuseSigning } from "../../recipes/recipe.ts";
import { recipeNames, recipes } from "../../recipes/table.ts";
import { openGrantStore } from "../../../grants/store.ts";

/** Of every recipe: the directory stands in a command line, in an environment or among the mounts. */
const SEEN =
  "a sandbox that sees your other processes in /proc can read this directory's path there, and use the grant";

/** Whose recipes carry requests to a grant that signs. */
const SIGNING_TOOLS: ReadonlySet<string> = new Set(["docker", "podman", "gvisor", "bwrap", "firejail", "srt"]);

export const show = defineCommand({
  meta: { name: "grant show", description: "Show a grant, or how a tool is given it" },
  examples: ["keyhole grant show agent", "keyhole grant show agent --for docker"],
  where: "host",
  args: {
    name: grantOperand,
    for: {
      type: "enum",
      valueHint: "TOOL",
      options: recipeNames,
      description: "Print what to paste for a tool",
    },
    json: jsonOption,
  },
  async run(context) {
    const { args, output, ui, host } = context;
    if (args.json && args.for !== undefined)
      throw new KeyholeError("usage", "--json and --for exclude each other", "keyhole grant show --help");
    const grant = await findGrant(context, args.name);
    if (args.for === undefined) {
      const source = await findSource(context, args.name);
      return output.line(
        args.json ? formatJson({ ...grantToJson(grant), source }) : renderGrant(grant, source, host.now()),
      );
    }
    if (!SIGNING_TOOLS.has(args.for)) refuseSigning(grant, args.for);
    const { text, remarks } = recipes[args.for](grant, recipeHostOf(context));
    output.line(text);
    for (const remark of [...remarks, SEEN]) ui.notice(remark);
    if (grant.state !== "active") ui.warn(`grant ${grant.name} is ${grant.state}: it gives nothing any more`);
  },
});

export const list = defineCommand({
  meta: { name: "grant list", description: "List the grants" },
  examples: ["keyhole grant list", "keyhole grant list --json"],
  where: "host",
  args: {
    // For completions: without a daemon, and without what it knows.
    names: { type: "boolean", description: "Print the names alone" },
    json: jsonOption,
    wide: wideOption,
  },
  async run(context) {
    const { args, settings, output, ui, host } = context;
    if (args.names) {
      const names = openGrantStore(settings.paths.grantDir).list();
      if (args.json) return output.line(formatJson(names));
      return names.length === 0 ? undefined : output.line(names.join("\n"));
    }
    const grants = await listGrants(context);
    if (args.json) return output.line(formatJson(grants.map(grantToJson)));
    if (grants.length === 0) return ui.notice("no grants");
    return output.line(renderGrants(grants, host.now(), widthFor(args.wide, output)));
  },
});

export const path = defineCommand({
  meta: { name: "grant path", description: "Print the directory of a grant" },
  examples: ["keyhole grant path agent", "keyhole grant path agent --json"],
  where: "host",
  args: { name: grantOperand, json: jsonOption },
  async run(context) {
    const { args, output } = context;
    const { directory } = await findGrant(context, args.name);
    output.line(args.json ? formatJson({ directory }) : directory);
  },
});
