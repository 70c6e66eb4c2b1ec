// keyhole grant revoke and remove: end a grant for good, at once; remove forgets it as well, its directory included.
import { openConfigStore } from "../../../config/store.ts";
import { KeyholeError } from "../../../errors.ts";
import { type Denial, denySession } from "../../../grants/policies.ts";
import { quotePosix } from "../../../text/quoting.ts";
import type { GrantInfo } from "../../../wire/messages.ts";
import { formatDuration, formatJson, jsonOption } from "../../answers.ts";
import { type CommandContext, defineCommand } from "../../command.ts";
import { askAboutGrant, grantOperand } from "../../grants/grants.ts";
import { grantToJson } from "../../grants/view.ts";
import { checkGrantName } from "../../../grants/names.ts";
import { hasConsent, yesOption } from "../../ui.ts";

export const revoke = defineCommand({
  meta: { name: "grant revoke", description: "End a grant at once and for good; its directory stays and says so" },
  examples: ["keyhole grant revoke agent", "keyhole grant revoke agent --print-iam"],
  where: "host",
  args: {
    name: grantOperand,
    "print-iam": { type: "boolean", description: "Print the IAM policy that ends the credentials that are out" },
    json: jsonOption,
  },
  async run(context) {
    const { args, output, ui, host } = context;
    // First of all: whatever cannot be printed then, it is revoked.
    const grant = await askAboutGrant(context, args.name, (link, name) => link.request("GrantRevoke", { name }));
    ui.notice(`grant ${grant.name} revoked`);
    const left = (grant.expiresAt ?? 0) - host.now();
    if (left > 0)
      ui.notice(`the credentials that are out work for ${formatDuration(left)} more, unless AWS denies them`);
    if (!args["print-iam"]) {
      if (left > 0) ui.hint(`keyhole grant revoke ${quotePosix(grant.name)} --print-iam`);
      return args.json ? output.line(formatJson(grantToJson(grant))) : undefined;
    }
    const denial = denialOf(grant, context);
    if (args.json) output.line(formatJson({ ...grantToJson(grant), iam: denial }));
    else output.line(denial.document);
    if (denial.note !== undefined) return ui.warn(denial.note);
    return ui.hint(denial.command);
  },
});

/** The role is the session's where there was one, else the config's. @throws KeyholeError where it has neither. */
function denialOf(
  grant: Pick<GrantInfo, "name" | "config" | "sessionName" | "roleArn">,
  { settings, host }: Pick<CommandContext, "settings" | "host">,
): Denial {
  try {
    const roleArn =
      grant.roleArn ?? openConfigStore(settings.paths.configDir).read(grant.config).config.AssumeRole?.RoleArn ?? "";
    return denySession(grant, roleArn, host.now());
  } catch (error) {
    if (!(error instanceof KeyholeError)) throw error;
    throw new KeyholeError(
      error.kind,
      `the grant is revoked; its IAM policy is not known: ${error.message}`,
      error.hint,
    );
  }
}

export const remove = defineCommand({
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
