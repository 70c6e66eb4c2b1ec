// keyhole grant remove: revokes a grant and forgets it, its directory included.
import { KeyholeError } from "../../../errors.ts";
import { checkGrantName } from "../../../grants/name.ts";
import { defineCommand } from "../../command.ts";
import { askAboutGrant, grantOperand } from "../../grants/grants.ts";
import { formatJson, jsonOption } from "../../json.ts";

export default defineCommand({
  meta: { name: "grant remove", description: "Revoke a grant and remove its directory" },
  args: {
    name: grantOperand,
    yes: { type: "boolean", alias: "y", description: "Do not ask" },
    json: jsonOption,
  },
  async run(context) {
    const { args, output, ui } = context;
    const name = checkGrantName(args.name);
    if (!args.yes) {
      if (!(await ui.isInteractive()))
        throw new KeyholeError("usage", "--yes is missing", `keyhole grant remove --yes ${name}`);
      if (!(await ui.askYesNo(`Remove grant ${name} and its directory?`, false))) return;
    }
    await askAboutGrant(context, name, (link) => link.request("GrantRemove", { name }));
    ui.notice(`grant ${name} removed`);
    if (args.json) output.line(formatJson({ removed: name }));
  },
});
