// `keyhole --daemon`: reads its words, hardens the process, and serves.
import { ftruncateSync, readFileSync } from "node:fs";
import { parseArguments } from "../arguments.ts";
import { descriptorLimit } from "../server/descriptors.ts";
import { keyholeErrorOf } from "../errors.ts";
import { harden, loadNative } from "../native/load.ts";
import { daemonOptions, resolveSettings, settingOptions } from "../settings.ts";
import { withHome } from "../files/accounts.ts";
import type { SourceEnvironment } from "../sources/source.ts";
import { version } from "../version.ts";
import { formatFailure } from "../wire/readiness.ts";
import { readOffer } from "./systemd.ts";
import { openImage, startAgain } from "./image.ts";

/** What a daemon is told beside the settings. */
const ownOptions = {
  replace: { type: "boolean", description: "Wait for the daemon that runs to end; of `keyhole daemon restart`" },
  original: { type: "string", description: "The executable that this copy was made of" },
  launched: { type: "boolean", description: "Tell the client that starts this the kind of a failure" },
} as const;

/** `keyhole --daemon OPTIONS`: in the foreground, until a signal or a Stop. */
export async function main(words: readonly string[]): Promise<void> {
  if (words.some((word) => word === "--help" || word === "-h")) {
    console.log(describe());
    return;
  }
  if (words.includes("--version")) {
    console.log(`keyhole ${version}`);
    return;
  }
  try {
    const values = parseArguments(words, { ...settingOptions, ...daemonOptions, ...ownOptions });
    const environment = withHome(process.env, process.geteuid?.());
    const settings = resolveSettings(values, environment, () => process.cwd());
    const native = loadNative();
    const offer = readOffer(process.env, process.pid);
    const { binDir } = settings.paths;
    const { original } = values;
    const failure = await startAgain({ native, binDir, words, environment, original });
    const image = openImage({ native, binDir, original, failure });
    // Not before: most of it would be loaded twice.
    const { serve } = await import("./serve.ts");
    const descriptors = descriptorLimit();
    harden(native);
    // What is made without a mode of its own is the owner's alone.
    process.umask(0o077);
    const keys = values.launched ? readKeys() : {};
    await serve(settings, { native, image, offer, descriptors, environment, replaces: values.replace, keys });
    process.exit(0);
  } catch (error) {
    const failure = keyholeErrorOf(error, "start-failed");
    process.stderr.write(formatFailure(failure, words.includes("--launched")));
    process.exit(failure.exitStatus);
  }
}

/** Of the shell that this was launched from, which has written them by now. What ends it before that ends the pipe. */
function readKeys(): SourceEnvironment {
  try {
    return JSON.parse(readFileSync(0, "utf8")) as SourceEnvironment;
  } catch {
    return {};
  } finally {
    wipe(0);
  }
}

/** Bun gives a child's input as a file in memory, which would keep the keys for as long as the daemon has it open. */
function wipe(descriptor: number): void {
  try {
    ftruncateSync(descriptor);
  } catch {
    // A pipe is empty once it has been read.
  }
}

function describe(): string {
  const options = Object.entries({ ...daemonOptions, ...settingOptions }).map(([name, option]) => {
    const word = "valueHint" in option ? `--${name}=<${option.valueHint}>` : `--${name}`;
    return `  ${word.padEnd(35)}  ${option.description}`;
  });
  return ["keyhole --daemon [OPTIONS] runs the daemon in the foreground, until SIGTERM", "", ...options].join("\n");
}
