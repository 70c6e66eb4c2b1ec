// keyhole grant remove: revokes a grant and forgets it, its directory included.
import { checkGrantName } from "../../../grants/names.ts";
import { defineCommand } from "../../command.ts";
import { hasConsent, yesOption } from "../../ui.ts";
import { askAboutGrant, grantOperand } from "../../grants/grants.ts";
import { formatJson, jsonOption } from "../../answers.ts";

export default defineCommand({
  meta: { name: "grant remove", description: "Revoke a grant and remove its directory" },
  examples: ["keyhole grant remove agent", "keyhole grant remove agent --yes"],
  where: "host",
  args: { name: grantOperand, yes: yesOption, json: jsonOption },
  async run(context) {
    const { args, output, ui } = context;
    const name = checkGrantName(args.name);
    const command = `keyhole grant remove --yes ${name}`;
    if (!(await hasConsent(args.yes, ui, `Remove grant ${name} and its directory?`, command))) return;
    await askAboutGrant(context, name, (link) => link.request("GrantRemove", { name }));
    ui.notice(`grant ${name} removed`);
    if (args.json) output.line(formatJson({ removed: name }));
  },
});
