// keyhole grant show: everything about one grant, or how one tool is given it.
import { KeyholeError } from "../../../errors.ts";
import { defineCommand } from "../../command.ts";
import { findGrant, findSource, grantOperand } from "../../grants/grants.ts";
import { grantToJson, renderGrant } from "../../grants/view.ts";
import { formatJson, jsonOption } from "../../answers.ts";
import { recipeHostOf, refuseSigning } from "../../recipes/recipe.ts";
import { recipeNames, recipes } from "../../recipes/table.ts";

/** Of every recipe: the directory stands in a command line, in an environment or among the mounts. */
const SEEN =
  "a sandbox that sees your other processes in /proc can read this directory's path there, and use the grant";

/** Whose recipes carry requests to a grant that signs. */
const SIGNING_TOOLS: ReadonlySet<string> = new Set(["docker", "podman", "gvisor", "bwrap", "srt"]);

export default defineCommand({
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
