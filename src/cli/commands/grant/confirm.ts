// keyhole grant confirm: a person answers what grants with --confirm ask, until Ctrl-C.
import { KeyholeError } from "../../../errors.ts";
import { defineCommand } from "../../command.ts";
import { withGrantDaemon } from "../../grants/grants.ts";

/** Milliseconds. The daemon holds the request for up to 10 s (wire/messages.ts). */
const LEAST_TIMEOUT = 20_000;

export default defineCommand({
  meta: { name: "grant confirm", description: "Answer the questions of grants with --confirm, until Ctrl-C" },
  examples: ["keyhole grant confirm", "keyhole grant confirm --socket-path ~/.keyhole/sock/daemon.sock"],
  where: "host",
  args: {},
  async run(context) {
    const { ui } = context;
    if (!(await ui.isInteractive()))
      throw new KeyholeError(
        "usage",
        "grant confirm needs a terminal",
        "in a terminal of its own: keyhole grant confirm",
      );
    const settings = { ...context.settings, clientTimeout: Math.max(context.settings.clientTimeout, LEAST_TIMEOUT) };
    const caller = { ...context, settings };
    ui.notice("waiting for questions; leave with Ctrl-C");
    for (;;) {
      const { question } = await withGrantDaemon(caller, (link) => link.request("GrantQuestion", {}));
      if (question === undefined) continue;
      const { id, text } = question;
      const allow = await ui.askYesNo(text, false);
      await withGrantDaemon(caller, (link) => link.request("GrantAnswer", { id, allow }));
    }
  },
});
