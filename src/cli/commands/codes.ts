// keyhole pending and keyhole answer: codes of MFA devices that something waits for, given from anywhere.
import { showOnOneLine } from "../../text/controls.ts";
import { KeyholeError } from "../../errors.ts";
import { formatDuration, formatJson, jsonOption } from "../answers.ts";
import { defineCommand } from "../command.ts";
import { answerWith, askAtTerminal } from "../daemon/codes.ts";
import { withDaemon } from "../daemon/broker.ts";

export const pending = defineCommand({
  meta: { name: "pending", description: "List the MFA codes that something waits for" },
  examples: ["keyhole pending", "keyhole pending --json"],
  where: "host",
  args: { json: jsonOption },
  async run({ args, settings, output, ui, host }) {
    const { codes } = await withDaemon(settings, (link) => link.request("Codes", {}), { isRepeatable: true });
    if (args.json)
      return output.line(
        formatJson(codes.map((code) => ({ ...code, wantedAt: new Date(code.wantedAt).toISOString() }))),
      );
    if (codes.length === 0) return ui.notice("nothing waits for a code");
    const lines = codes.map(({ id, config, serial, keyId, wantedAt, isAsked }) => {
      const since = formatDuration(host.now() - wantedAt);
      return `${id}  ${serial} (${keyId}), for ${config}, since ${since}${isAsked ? ", is being asked" : ""}`;
    });
    return output.line(lines.map(showOnOneLine).join("\n"));
  },
});

export const answer = defineCommand({
  meta: { name: "answer", description: "Give an MFA code that something waits for, from the terminal or stdin" },
  examples: ["keyhole answer 1", "ykman oath accounts code --single NAME | keyhole answer 1"],
  where: "host",
  args: { id: { type: "positional", description: "As keyhole pending has it" } },
  notes: ["The code is never an argument: those of a process can be read by others."],
  async run({ args, settings, ui, host }) {
    await withDaemon(settings, async (link) => {
      const { codes } = await link.request("Codes", {});
      const wanted = codes.find(({ id }) => String(id) === args.id);
      if (wanted === undefined)
        throw new KeyholeError("usage", `no code is wanted under ${showOnOneLine(args.id)}`, "keyhole pending");
      if (await ui.isInteractive()) return answerWith(link, wanted, askAtTerminal(ui));
      const { problem } = await link.request("CodeAnswer", { id: wanted.id, code: (await host.readStdin()).trim() });
      if (problem !== undefined) throw new KeyholeError("person-needed", problem, `keyhole answer ${wanted.id}`);
    });
    ui.notice("the code is right");
  },
});
