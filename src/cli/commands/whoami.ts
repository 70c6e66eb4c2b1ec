// keyhole whoami: who AWS says a config's session is. The daemon asks once for each issue of credentials.
import { withSession } from "../daemon/broker.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { nameOrProfile, nameOrShells, profileOption, requireName, vendedNameOption } from "../configs/names.ts";
import { HIDDEN, parseProcessLine } from "../vending/formats.ts";
import { formatJson, jsonOption } from "../answers.ts";
import { orProfile, type Vended, vendElsewhere } from "../vending/vend.ts";

export default defineCommand({
  meta: { name: "whoami", description: "Print the identity that AWS sees, as JSON" },
  examples: ["keyhole whoami dev", "keyhole whoami --profile work"],
  where: "both",
  args: {
    name: vendedNameOption,
    profile: profileOption,
    obscure: { type: "boolean", alias: "o", description: "Print *** for the values" },
    // The answer is JSON in any case; the option is taken because all other commands have it.
    json: jsonOption,
  },
  async run(context) {
    const { args, output } = context;
    const facts = Object.entries(await identityOf(context, nameOrProfile(args)));
    const shown = args.obscure ? facts.map(([fact, value]) => [fact, value && HIDDEN] as const) : facts;
    output.line(formatJson(Object.fromEntries(shown)));
  },
});

type Identity = Readonly<Record<string, string | undefined>>;

async function identityOf(context: CommandContext, given: string | undefined): Promise<Identity> {
  const answer = await vendElsewhere(context, given);
  if (answer !== undefined) return factsOf(answer);
  const name = await requireName(nameOrShells(given, context.environment), context);
  const { userId, account, arn } = await orProfile(context, name, (each) =>
    withSession(context, each, (link, session) => link.request("Identity", { config: session })),
  );
  return { UserId: userId, Account: account, Arn: arn };
}

/** A grant's socket and a shared one do not ask AWS; what its answer says is all there is. Of a grant it counts as a use. */
function factsOf({ grant, config, line }: Vended): Identity {
  const { accountId, accessKeyId, expiration } = parseProcessLine(line);
  return { Grant: grant, Config: config, Account: accountId, AccessKeyId: accessKeyId, Expiration: expiration };
}
