// keyhole config export-profile: profiles of ~/.aws/config that ask keyhole, for every AWS tool.
import { openConfigStore } from "../../../config/store.ts";
import { KeyholeError } from "../../../errors.ts";
import { replaceForeign } from "../../../files/writing.ts";
import { defineCommand } from "../../command.ts";
import {
  type Exported,
  exportedNames,
  exportRefusal,
  exportWords,
  formatProfiles,
  profilesOutside,
  withProfiles,
} from "../../configs/exports.ts";
import { nameOption, requireName } from "../../configs/names.ts";
import { openAwsFiles } from "../../foreign.ts";

export default defineCommand({
  meta: {
    name: "config export-profile",
    description: "Print, or write, a profile for ~/.aws/config that asks keyhole",
  },
  examples: ["keyhole config export-profile dev", "keyhole config export-profile --all --write"],
  where: "host",
  args: {
    name: nameOption,
    all: { type: "boolean", description: "A profile for every config, and none for others" },
    write: { type: "boolean", description: "Write to ~/.aws/config, between keyhole's marks" },
  },
  notes: [
    "What stands outside of the marks stays as it is; the file as it was is kept beside it, as",
    "config.keyhole-backup.",
  ],
  async run(context) {
    const { args, ui, output, settings, host, environment } = context;
    if (args.all && args.name !== undefined)
      throw new KeyholeError("usage", "NAME and --all exclude each other", "keyhole config export-profile --help");
    const store = openConfigStore(settings.paths.configDir);
    const name = args.all ? undefined : await requireName(args.name, context);
    const { config: path, texts, complaint, refusals } = await openAwsFiles(context);
    for (const refusal of refusals) throw refusal;
    const outside = profilesOutside(texts);
    const wanted = (candidates: readonly string[]): Exported[] =>
      candidates.flatMap((each) => {
        const exported = { name: each, config: store.parse(each).config };
        const refusal = exportRefusal(each, exported.config, outside);
        if (refusal === undefined) return [exported];
        const message = `no profile for config ${each}: ${refusal}`;
        if (each === name) throw new KeyholeError("config-exists", message, `keyhole config rename ${each} NEW`);
        ui.warn(message);
        return [];
      });
    const words = exportWords(host.command, settings.paths, environment["HOME"]);
    const known = store.list();
    const kept = exportedNames(texts[0]).filter((each) => known.includes(each));
    const chosen = name === undefined ? known : [name];
    if (!args.write) return output.line(formatProfiles(wanted(chosen), words, outside).trimEnd());
    if (path === undefined) throw new KeyholeError("usage", "HOME is not set, nor AWS_CONFIG_FILE", "export HOME=~");
    if (complaint !== undefined)
      throw new KeyholeError(
        "invalid-config",
        `the AWS CLI refuses ${path}, so nothing is written: ${complaint}`,
        "aws configure list",
      );
    const sections = formatProfiles(wanted([...new Set([...(args.all ? [] : kept), ...chosen])]), words, outside);
    const changed = withProfiles(texts[0], sections);
    if (changed === texts[0]) return ui.notice(`${path} has them already`);
    replaceForeign(path, texts[0], changed);
    ui.notice(`wrote ${path}`);
  },
});
