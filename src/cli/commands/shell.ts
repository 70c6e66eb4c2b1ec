// keyhole shell: the user's shell, in which every tool has fresh credentials of a config for as long as it is open.
import { defineCommand } from "../command.ts";
import { nameOption, nameOrProfile, profileOption } from "../configs/names.ts";
import { executeRefreshing } from "../programs/running.ts";

export default defineCommand({
  meta: { name: "shell", description: "Open a shell whose tools always have fresh credentials of a config" },
  where: "both",
  args: { name: nameOption, profile: profileOption },
  async run(context) {
    const { args, environment, ui } = context;
    const shell = environment["SHELL"] || "/bin/sh";
    return executeRefreshing(context, nameOrProfile(args), [shell], (name) =>
      ui.notice(`keyhole: ${shell} with credentials of ${name}, renewed as needed; leave it with exit`),
    );
  },
});
