// keyhole exec and shell: become a program, or a shell, that has the credentials of a config.
import { KeyholeError } from "../../errors.ts";
import { quotePosix } from "../../text/quoting.ts";
import { defineCommand } from "../command.ts";
import { nameOrProfile, profileOption, vendedNameOption } from "../configs/names.ts";
import { shellConfigOf } from "../programs/nesting.ts";
import { executeRefreshing, executeWithKeys } from "../programs/running.ts";

export const exec = defineCommand({
  meta: { name: "exec", description: "Run a program with credentials of a config" },
  examples: ["keyhole exec dev -- aws s3 ls", "keyhole exec --profile work --refresh -- terraform apply"],
  where: "both",
  args: {
    name: vendedNameOption,
    profile: profileOption,
    refresh: { type: "boolean", description: "Let the program's SDKs ask again, for as long as it runs" },
  },
  rest: true,
  async run(context) {
    const { args, rest } = context;
    if (rest.length === 0) {
      const whose =
        args.profile === undefined ? `-n ${quotePosix(args.name ?? "NAME")}` : `--profile ${quotePosix(args.profile)}`;
      throw new KeyholeError("usage", "no command is given", `keyhole exec ${whose} -- COMMAND`);
    }
    const name = nameOrProfile(args);
    return args.refresh ? executeRefreshing(context, name, rest) : executeWithKeys(context, name, rest);
  },
});

export const shell = defineCommand({
  meta: { name: "shell", description: "Open a shell whose tools always have fresh credentials of a config" },
  examples: ["keyhole shell dev", "keyhole shell --profile work"],
  where: "both",
  args: { name: vendedNameOption, profile: profileOption },
  notes: [
    "Sets AWS_CONFIG_FILE, AWS_PROFILE (the config's name; keyhole-NAME where you have a",
    "profile of that name) and KEYHOLE_CONFIG, the default of -n inside. Leave it with exit.",
  ],
  async run(context) {
    const { args, environment, ui } = context;
    const program = environment["SHELL"] || "/bin/sh";
    const outer = shellConfigOf(environment);
    return executeRefreshing(context, nameOrProfile(args), [program], (name) => {
      if (outer !== undefined) ui.warn(`this shell is inside of a shell of ${outer}`, "exit");
      ui.notice(`keyhole: ${program} with credentials of ${name}, renewed as needed; leave it with exit`);
    });
  },
});
