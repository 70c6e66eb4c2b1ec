// Files that are not keyhole's own, as a client reads them: in a child, which is abandoned where they do not answer.
import { selectSourceEnvironment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { silent } from "../files/foreign.ts";
import type { FileAnswer } from "../files/reader.ts";
import { refusalByCli } from "../sources/resolve/ini.ts";
import type { Sources } from "../sources/resolve/profile-plan.ts";
import { parseSharedConfig, type SharedConfig, sharedPaths } from "../sources/resolve/profile.ts";
import type { CommandContext, ForeignText, Host } from "./command.ts";
import { environmentOutside } from "./programs/nesting.ts";

/** Milliseconds: the child has its own deadline, below. */
const DEADLINE = 8_000;

/** @param command the words that start keyhole again */
export async function readInChild(
  command: readonly string[],
  paths: readonly string[],
  wait: Host["wait"],
): Promise<ForeignText[]> {
  const child = start(command);
  if (child === undefined) return paths.map(unread);
  child.unref();
  void Promise.allSettled([child.stdin.write(JSON.stringify(paths)), child.stdin.end()]);
  const line = await Promise.race([firstLine(child.stdout), wait(DEADLINE)]);
  child.kill("SIGKILL");
  if (!line) return paths.map(silent);
  return (JSON.parse(line) as FileAnswer[]).map((answer) =>
    "refused" in answer ? new KeyholeError("person-needed", answer.refused, answer.hint) : answer.text,
  );
}

function start(command: readonly string[]): Bun.Subprocess<"pipe", "pipe", "pipe"> | undefined {
  try {
    return Bun.spawn([...command, "--read-files"], {
      cwd: "/",
      env: {},
      stdin: "pipe",
      stdout: "pipe",
      // Not ignored: that is /dev/null, which an empty root does not have.
      stderr: "pipe",
      detached: true,
    });
  } catch {
    return undefined;
  }
}

/** In a sandbox that lets no process be started. */
function unread(path: string): KeyholeError {
  return new KeyholeError("person-needed", `${path} is not read: no process can be started here`);
}

/** Does not wait for the child's end: a process that waits for a dead mount never ends. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    if (chunk.includes(10)) return Buffer.concat(chunks).toString("utf8");
  }
  return undefined;
}

/** ~/.aws as the resolver reads it (sources/resolve/chain.ts). */
export interface SharedFiles {
  readonly shared: SharedConfig;
  /** Why one of the files is not read. */
  readonly refusals: readonly KeyholeError[];
}

export async function readSharedFiles(
  host: Pick<Host, "readForeign">,
  environment: Readonly<Record<string, string>>,
): Promise<SharedFiles> {
  // A path that is not known is read as a file that is not there.
  const texts = await host.readForeign(sharedPaths(environment).map((path) => path ?? ""));
  const refusals = texts.filter((text) => text instanceof KeyholeError);
  const [config = "", credentials = ""] = texts.map((text) => (text instanceof KeyholeError ? "" : text));
  return { shared: parseSharedConfig(config, credentials), refusals };
}

/** The caller's files, also from a shell of keyhole's. */
export interface AwsFiles {
  readonly sources: Sources;
  /** The path of the config file; undefined where nothing says where it is. */
  readonly config: string | undefined;
  /** Its text, and that of the credentials file; empty for one that is not there. */
  readonly texts: readonly [config: string, credentials: string];
  /** Why the AWS CLI does not read the config file. */
  readonly complaint: string | undefined;
  /** Why one of the files is not read here. */
  readonly refusals: readonly KeyholeError[];
}

export async function openAwsFiles({
  environment,
  host,
}: Pick<CommandContext, "environment" | "host">): Promise<AwsFiles> {
  const outside = selectSourceEnvironment(environmentOutside(environment), () => host.cwd());
  const [config, credentials] = sharedPaths(outside);
  const read = await host.readForeign([config ?? "", credentials ?? ""]);
  const [text = "", keys = ""] = read.map((each) => (each instanceof KeyholeError ? "" : each));
  return {
    sources: { shared: parseSharedConfig(text, keys), environment: outside },
    config,
    texts: [text, keys],
    complaint: refusalByCli(text),
    refusals: read.filter((each) => each instanceof KeyholeError),
  };
}
