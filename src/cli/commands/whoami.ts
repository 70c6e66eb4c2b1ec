// keyhole whoami: who AWS says a config's session is. The daemon asks once for each issue of credentials.
import { withSession } from "../broker.ts";
import { defineCommand } from "../command.ts";
import { configChoices } from "../configs.ts";
import { HIDDEN } from "../formats.ts";
import { jsonOption, printJson } from "../json.ts";
import { nameOption, requireName } from "../names.ts";

export default defineCommand({
  meta: { name: "whoami", description: "Print the identity that AWS sees, as JSON" },
  args: {
    name: nameOption,
    obscure: { type: "boolean", alias: "o", description: "Print *** for the values" },
    // The answer is JSON in any case; the option is taken because all other commands have it.
    json: jsonOption,
  },
  async run(context) {
    const { args, output, ui, settings } = context;
    const name = await requireName(args.name, ui, configChoices(settings.paths));
    const { userId, account, arn } = await withSession(context, name, (connection) =>
      connection.request("Identity", { config: name }),
    );
    const show = (value: string) => (args.obscure ? HIDDEN : value);
    output.line(printJson({ UserId: show(userId), Account: show(account), Arn: show(arn) }));
  },
});
