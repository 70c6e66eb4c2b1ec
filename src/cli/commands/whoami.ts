// keyhole whoami: who AWS says a config's session is. The daemon asks once for each issue of credentials.
import { withSession } from "../daemon/broker.ts";
import { defineCommand } from "../command.ts";
import { configChoices } from "../configs/choices.ts";
import { HIDDEN, parseProcessLine } from "../vending/formats.ts";
import { formatJson, jsonOption } from "../json.ts";
import { nameOption, requireName } from "../configs/names.ts";
import { targetOf } from "../vending/target.ts";
import { vend, type Vended, vendGrant } from "../vending/vend.ts";

export default defineCommand({
  meta: { name: "whoami", description: "Print the identity that AWS sees, as JSON" },
  args: {
    name: nameOption,
    obscure: { type: "boolean", alias: "o", description: "Print *** for the values" },
    // The answer is JSON in any case; the option is taken because all other commands have it.
    json: jsonOption,
  },
  async run(context) {
    const { args, output, ui, settings, host } = context;
    const show = (value: string | undefined) => (args.obscure ? value && HIDDEN : value);
    const factsToJson = (answer: Vended): string => {
      const facts = Object.entries(factsOf(answer));
      return formatJson(Object.fromEntries(facts.map(([fact, value]) => [fact, show(value)])));
    };
    const answer = await vendGrant(context, args.name);
    if (answer !== undefined) {
      return output.line(factsToJson(answer));
    }
    if (targetOf(settings, host).kind === "shared") {
      const { config, line, region } = await vend(context, args.name);
      return output.line(factsToJson({ config, line, region }));
    }
    const name = await requireName(args.name, ui, configChoices(settings.paths));
    const { userId, account, arn } = await withSession(context, name, (connection) =>
      connection.request("Identity", { config: name }),
    );
    return output.line(formatJson({ UserId: show(userId), Account: show(account), Arn: show(arn) }));
  },
});

/** A grant's socket and a shared one do not ask AWS; what its answer says is all there is. Of a grant it counts as a use. */
function factsOf({ grant, config, line, region }: Vended): Record<string, string | undefined> {
  const { accountId, accessKeyId, expiration } = parseProcessLine(line, region);
  return { Grant: grant, Config: config, Account: accountId, AccessKeyId: accessKeyId, Expiration: expiration };
}
