// keyhole export: credentials of one config on stdout, in the form that another program reads.
import { regionVariables } from "../../environment.ts";
import { KeyholeError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { formatNames, formats, obscure, parseProcessLine } from "../vending/formats.ts";
import { nameOrProfile, profileOption, vendedNameOption } from "../configs/names.ts";
import { vend } from "../vending/vend.ts";

export default defineCommand({
  meta: { name: "export", description: "Print credentials of a config" },
  examples: ['eval "$(keyhole export dev -f env)"', "keyhole export dev -f credential-process"],
  where: "both",
  args: {
    name: vendedNameOption,
    profile: profileOption,
    format: {
      type: "enum",
      alias: "f",
      valueHint: "FORMAT",
      options: formatNames,
      default: "json",
      description: "Form of the answer",
    },
    json: { type: "boolean", description: "As --format json" },
    obscure: { type: "boolean", alias: "o", description: "Print *** for the credentials; expiry and region stay" },
  },
  async run(context) {
    const { args, output } = context;
    if (args.json && args.format !== "json")
      throw new KeyholeError("usage", "--json and --format exclude each other", "keyhole export --help");
    const { line, region } = await vend(context, nameOrProfile(args));
    // Byte for byte as the daemon made it: this is what every SDK waits for.
    if (args.format === "credential-process" && !args.obscure) return output.bytes(line);
    const credentials = parseProcessLine(line, regionVariables(context.environment, region));
    return output.line(formats[args.format](args.obscure ? obscure(credentials) : credentials));
  },
});
