// keyhole grant set: puts another executable into the directory of a grant, which works meanwhile.
import { executables } from "../../../grants/grant.ts";
import { defineCommand } from "../../command.ts";
import { findGrant, grantOperand, withGrantDaemon } from "../../grants/grants.ts";
import { archOption, refuseExecutable } from "../../grants/terms.ts";
import { describeWeight, grantToJson } from "../../grants/view.ts";
import { formatJson, jsonOption } from "../../answers.ts";

const HINT = "keyhole grant set --help";

export default defineCommand({
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
