// keyhole grant path: the directory to mount.
import { defineCommand } from "../../command.ts";
import { findGrant, grantOperand } from "../../grants/grants.ts";
import { formatJson, jsonOption } from "../../answers.ts";

export default defineCommand({
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
