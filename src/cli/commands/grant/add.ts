// keyhole grant add: a directory that can be mounted into a sandbox, and gives it one identity.
import { quotePosix } from "../../../text/quoting.ts";
import { formatDuration, formatJson, jsonOption } from "../../answers.ts";
import { defineCommand } from "../../command.ts";
import { addGrant } from "../../grants/grants.ts";
import { looseParents, tellMended } from "../../grants/parents.ts";
import { readTerms, termOptions } from "../../grants/terms.ts";
import { describeWeight, grantToJson } from "../../grants/view.ts";

export default defineCommand({
  meta: { name: "grant add", description: "Make a directory that gives a sandbox one identity; prints its path" },
  examples: [
    "keyhole grant add agent --config dev --ttl 8h --policy read-only",
    "keyhole grant add signer --config dev --sign --allow 's3:Get*'",
  ],
  where: "host",
  args: { name: { type: "positional", description: "Name of the new grant" }, ...termOptions, json: jsonOption },
  async run(context) {
    const { args, environment, settings, output, ui, host } = context;
    const terms = await readTerms(args.name, args, context);
    const loose = looseParents(settings, environment, host.userId());
    const grant = await addGrant(context, terms);
    if (args.json) output.line(formatJson(grantToJson(grant)));
    else output.line(grant.directory);
    const end =
      grant.endsAt === undefined ? "until it is revoked" : `for ${formatDuration(grant.endsAt - grant.createdAt)}`;
    const gives =
      grant.sign === undefined ? `gives ${grant.config} over a ${grant.deliver}` : `signs for ${grant.config}`;
    ui.notice(`grant ${grant.name} ${gives}, ${end}`);
    if (grant.executable === "full") ui.notice(describeWeight(grant));
    for (const note of grant.notes) ui.warn(`${grant.name}: ${note}`);
    tellMended(loose, ui);
    ui.hint(`keyhole grant show ${quotePosix(grant.name)} --for docker`);
  },
});
