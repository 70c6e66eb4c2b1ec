// keyhole grant add: a directory that can be mounted into a sandbox, and gives it one identity.
import { quotePosix } from "../../../text/quoting.ts";
import { formatDuration, formatJson, jsonOption } from "../../answers.ts";
import { defineCommand } from "../../command.ts";
import { addGrant, findGrant, grantOperand, withGrantDaemon } from "../../grants/grants.ts";
import { looseParents, tellMended } from "../../grants/parents.ts";
import { archOption, readTerms, refuseExecutable, termOptions } from "../../grants/terms.ts";
import { describeWeight, grantToJson } from "../../grants/view.ts";
import { executables } from "../../../grants/grant.ts";

export const add = defineCommand({
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

const HINT = "keyhole grant set --help";

export const set = defineCommand({
  meta: {
    name: "grant set",
    description: "Put another executable into a grant's directory; sandboxes go on meanwhile",
  },
  examples: ["keyhole grant set agent --executable full", "keyhole grant set agent --executable small --arch arm64"],
  where: "host",
  args: {
    name: grantOperand,
    executable: {
      type: "enum",
      options: executables.filter((each) => each !== "none"),
      required: true,
      description: "What lies there as keyhole: small answers credential_process, full does everything",
    },
    arch: archOption,
    json: jsonOption,
  },
  async run(context) {
    const { args, output, ui } = context;
    const { mountAt } = await findGrant(context, args.name);
    const { name, executable, arch } = args;
    refuseExecutable({ executable, arch, mountAt }, HINT);
    const grant = await withGrantDaemon(context, (link) => link.request("GrantSet", { name, executable, arch }));
    ui.notice(describeWeight(grant));
    if (args.json) output.line(formatJson(grantToJson(grant)));
  },
});
