// `keyhole prompt`, on the shortest way: a shell waits for it before each of its prompts. Says nothing where there is
// nothing to say, whatever the reason.
import { type Environment, SHELL_SESSION } from "../environment.ts";
import { ask, encodeNamed, isOwnControlSocket, isWhole, socketOfHome } from "./express.ts";

/** Number of the message (wire/PROTOCOL.md#5-messages). */
const TIME_LEFT = 29;
/** Milliseconds. A daemon that does not answer at once is not waited for. */
const DEADLINE = 250;

/** `dev 42m`: the config of KEYHOLE_CONFIG, and how long its credentials are good; undefined where there are none. */
export async function promptOf(environment: Environment): Promise<string | undefined> {
  const config = environment["KEYHOLE_CONFIG"];
  const socket = environment["KEYHOLE_SOCKET"] || socketOfHome(environment);
  if (!config || /[^\w+.%:-]/.test(config) || !socket?.startsWith("/") || environment["KEYHOLE_DISABLE"])
    return undefined;
  const given = environment[SHELL_SESSION];
  const session = given?.startsWith(`${config} (`) === true ? given : sessionOf(config, environment);
  const request = encodeNamed(TIME_LEFT, Buffer.from(session).toString("latin1"));
  if (!(await isOwnControlSocket(socket))) return undefined;
  const left = await ask({ unix: socket }, { request, deadline: DEADLINE, silence: DEADLINE, read: readTimeLeft });
  return typeof left === "number" ? `${config} ${formatLeft(left)}` : undefined;
}

/** As config/name.ts has it, whose modules take longer to load than the answer to come. */
function sessionOf(config: string, { KEYHOLE_CONFIG_DIR: named, KEYHOLE_HOME, HOME }: Environment): string {
  if (!named) return config;
  const { resolve } = process.getBuiltinModule("node:path");
  const directory = resolve(named);
  if (directory === resolve(KEYHOLE_HOME || `${HOME}/.keyhole`, "configs")) return config;
  return `${config} (${directory.replaceAll(/[%,\p{Cc}]/gu, encodeURIComponent)})`;
}

/** Prints it; a stdout that takes nothing misses it. */
export async function answerPrompt(environment: Environment): Promise<void> {
  const shown = await promptOf(environment);
  if (shown === undefined) return;
  try {
    const stdout = Bun.stdout.writer();
    await stdout.write(`${shown}\n`);
    await stdout.end();
  } catch {
    // As where there is nothing to say.
  }
}

function readTimeLeft(frame: Uint8Array): number | undefined {
  if (!isWhole(frame) || frame[5] !== TIME_LEFT || frame.length !== 15) return undefined;
  return Number(new DataView(frame.buffer, frame.byteOffset).getBigUint64(7));
}

function formatLeft(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  if (milliseconds === 0) return "expired";
  if (minutes === 0) return `${Math.ceil(milliseconds / 1_000)}s`;
  return minutes < 60 ? `${minutes}m` : `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, "0")}m`;
}
