// keyhole exec: becomes a program that has the credentials of a config.
import { KeyholeError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { nameOption } from "../configs/names.ts";
import { executeRefreshing, executeWithKeys } from "../programs/running.ts";

export default defineCommand({
  meta: { name: "exec", description: "Run a program with credentials of a config" },
  where: "both",
  args: {
    name: nameOption,
    refresh: { type: "boolean", description: "Let the program's SDKs ask again, for as long as it runs" },
  },
  rest: true,
  async run(context) {
    const { args, rest } = context;
    if (rest.length === 0) {
      throw new KeyholeError("usage", "no command is given", "keyhole exec -n NAME -- COMMAND");
    }
    return args.refresh ? executeRefreshing(context, args.name, rest) : executeWithKeys(context, args.name, rest);
  },
});
