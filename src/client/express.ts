// The questions that SDKs ask again and again, on the shortest way: `keyhole [--socket-path S] export --format
// credential-process -n NAME`, for a session that is there, and, from the directory of a grant, `keyhole` alone. They
// are answered, or not understood; whatever is unusual or wrong, the command line proper does again and says why.
// Imports nothing: codecs, connection and the parser of options cost 2 ms of a start of 4 (`bun run bench`), which
// every call of every SDK would pay. The tests hold its bytes against wire/.

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Milliseconds. A session that is there is answered at once, unless it is just being renewed; then the command line
 * proper asks again, with all of its patience, and meets the same renewal.
 */
const VEND_DEADLINE = 2000;

/**
 * Milliseconds after which a control socket is told that nothing more is asked: another program than a daemon, elhaz
 * where KEYHOLE_HOME is its directory, waits for that, and then answers what the command line proper understands.
 */
const SILENCE = 250;

/** Milliseconds; DESIGN.md, 6. Asked once and waited for: a second request would be a second use, or question. */
const FETCH_DEADLINE = 20_000;

/** wire/PROTOCOL.md: the version, the numbers of Vend and Fetch, and that of an error reply. */
const VERSION = 1;
const VEND = 2;
const FETCH = 15;
const ERROR = 255;

/** Files in a grant's directory (DESIGN.md, 4). */
const GRANT_SOCKET = "sock";
const GRANT_CONFIG = "aws-config";

/** What else could change the meaning of the words: checked settings, and a chain that may be a loop. */
const DECIDING = [
  "KEYHOLE_AUTOSTART_ONCE",
  "KEYHOLE_CHAIN",
  "KEYHOLE_CLIENT_TIMEOUT",
  "KEYHOLE_CONFIG_DIR",
  "KEYHOLE_DISABLE",
  "KEYHOLE_LOGGING_PATH",
  "KEYHOLE_MAX_DAEMON_CACHE_SIZE",
  "KEYHOLE_MAX_UNIX_SOCKET_CONNECTIONS",
  "KEYHOLE_SOCKET_DIR_MODE",
  "KEYHOLE_SOCKET_MODE",
];

/** What may ask for another session than the one of a config's name; a grant's is none of them. */
const CHOOSING = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"];

/** What a grant's socket said instead of credentials: the whole error reply, or nothing in all that time. */
export type Refusal = Uint8Array | "timeout";

/**
 * Prints the `credential_process` line and returns "answered". "unusual" is for the command line proper, which has
 * nothing to know of what happened; so is a Refusal, which it explains without asking again.
 *
 * @param words argv behind the program's name
 * @param executable the path of this executable, from the working directory
 */
export async function answerExpress(
  words: readonly string[],
  environment: Environment,
  executable: string,
): Promise<"answered" | "unusual" | { readonly refusal: Refusal }> {
  const answer = await askExpress(words, environment, executable);
  if (answer === undefined) return "unusual";
  if ("refusal" in answer) return answer;
  if (await isStdoutClosed()) return "unusual";
  try {
    // Not Bun.write: it reserves the line's length at the start of a file, which puts zeros between what is there and
    // what is appended (`>>`).
    const stdout = Bun.stdout.writer();
    await stdout.write(answer.line);
    await stdout.end();
    return "answered";
  } catch {
    // A full disk, a reader that has gone: the command line proper meets it again, and knows what to say.
    return "unusual";
  }
}

/** The close-on-exec flag of Linux, in octal digits as /proc has it; the same on x64 and arm64. */
const O_CLOEXEC = 0o2000000;

/**
 * Whether stdout was closed when this process started: Bun puts /dev/null there, in which an answer would be lost without
 * a word. What a process inherits cannot have that flag. Only Linux tells.
 */
export async function isStdoutClosed(): Promise<boolean> {
  // Two calls of stat spare all others the reading of a file, 0.5 ms of a start.
  if (Bun.stdout.lastModified !== Bun.file("/dev/null").lastModified) return false;
  const text = await Bun.file("/proc/self/fdinfo/1")
    .text()
    .catch(() => "");
  const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(text)?.[1] ?? "0", 8);
  return (flags & O_CLOEXEC) !== 0;
}

type Answer = { readonly line: Uint8Array } | { readonly refusal: Refusal };

/** The line, newline included; undefined wherever the command line proper is to be asked. */
export async function askExpress(
  words: readonly string[],
  environment: Environment,
  executable: string,
): Promise<Answer | undefined> {
  const question = understand(words, environment);
  if (question === undefined) return undefined;
  const { name, socket } = question;
  if (socket === undefined) {
    const directory = grantDirectoryOf(executable);
    if (name === undefined) return directory === undefined ? undefined : fetch(`${directory}/${GRANT_SOCKET}`);
    // Whether the grant is the one that is meant, the command line proper finds out.
    if (directory !== undefined) return undefined;
  }
  const path = socket ?? socketOfHome(environment);
  const request = name === undefined ? undefined : encodeVend(name);
  if (request === undefined || !path?.startsWith("/")) return undefined;
  const isOwn = isOwnControlSocket(path);
  // A grant's socket must not be told a config's name; where the home has its socket, none is a grant's.
  if (path !== socketOfHome(environment) && !(await isOwn)) return undefined;
  const line = await ask(path, request, VEND_DEADLINE, (frame) => lineOf(frame, VEND), SILENCE);
  // What another user says is not believed.
  return line instanceof Uint8Array && (await isOwn) ? { line } : undefined;
}

interface Question {
  readonly name: string | undefined;
  /** The one that was named, if one was. */
  readonly socket: string | undefined;
}

/** Only words that are certain: long and short spellings with a separate value, each once. */
function understand(words: readonly string[], environment: Environment): Question | undefined {
  for (const variable of DECIDING) if (environment[variable]) return undefined;
  // Off, as in a grant's environment, it decides what happens where nobody answers; other values have to be checked.
  if ((environment["KEYHOLE_AUTOSTART"] || "0") !== "0") return undefined;
  let socket: string | undefined;
  let name: string | undefined;
  let format: string | undefined;
  let isExport = false;
  for (let at = 0; at < words.length; at += 2) {
    const value = words[at + 1];
    switch (words[at]!) {
      case "export":
        if (isExport) return undefined;
        isExport = true;
        at -= 1;
        break;
      case "--socket-path":
      case "-sp":
        if (socket !== undefined) return undefined;
        socket = value ?? "";
        break;
      case "--format":
      case "-f":
        if (format !== undefined || !isExport) return undefined;
        format = value;
        break;
      case "--name":
      case "-n":
        if (name !== undefined || !isExport) return undefined;
        name = value;
        break;
      default:
        return undefined;
    }
  }
  socket ??= environment["KEYHOLE_SOCKET"] || undefined;
  if (name !== undefined && CHOOSING.some((variable) => environment[variable])) return undefined;
  const isUnderstood = isExport ? format === "credential-process" : words.length === 0;
  return isUnderstood ? { name, socket } : undefined;
}

/** As client/target.ts has it. Without node:fs, which costs 1.5 ms; of a socket the size is infinite. */
function grantDirectoryOf(executable: string): string | undefined {
  // A name without a directory was found in PATH, by whom the command line proper finds out.
  const directory = executable.slice(0, Math.max(0, executable.lastIndexOf("/")));
  return directory !== "" && Bun.file(`${directory}/${GRANT_CONFIG}`).size > 0 ? directory : undefined;
}

/** As a daemon of this user makes it. One of a group's, of root's or of another user's, the command line proper looks at. */
async function isOwnControlSocket(path: string): Promise<boolean> {
  try {
    const { mode, uid } = await Bun.file(path).stat();
    return (mode & 0o777) === 0o600 && uid === process.getuid?.();
  } catch {
    return false;
  }
}

/** As paths.ts has it. */
function socketOfHome(environment: Environment): string | undefined {
  const home = environment["KEYHOLE_HOME"] || (environment["HOME"] && `${environment["HOME"]}/.keyhole`);
  return home && `${home}/sock/daemon.sock`;
}

/** A Vend's frame; undefined for a name that is none, which the command line proper refuses. */
function encodeVend(name: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(name)) return undefined;
  const frame = new Uint8Array(8 + name.length);
  frame[3] = 4 + name.length;
  frame[4] = VERSION;
  frame[5] = VEND;
  frame[7] = name.length;
  for (let at = 0; at < name.length; at += 1) frame[8 + at] = name.charCodeAt(at);
  return frame;
}

/** A grant's credentials; undefined where nobody was reached, which the command line proper tries again for a while. */
async function fetch(path: string): Promise<Answer | undefined> {
  const request = Uint8Array.of(0, 0, 0, 2, VERSION, FETCH);
  const answer = await ask(path, request, FETCH_DEADLINE, (frame): Answer | undefined => {
    if (isWhole(frame) && frame[5] === ERROR) return { refusal: frame };
    const line = lineOf(frame, FETCH);
    return line && { line };
  });
  return answer === "timeout" ? { refusal: answer } : answer;
}

/** What `read` makes of an answer; undefined where nobody was reached or the connection was closed. */
function ask<Read>(
  path: string,
  request: Uint8Array,
  deadline: number,
  read: (chunk: Uint8Array) => Read | undefined,
  silence?: number,
): Promise<Read | undefined | "timeout"> {
  return new Promise((resolve) => {
    const giveUp = () => resolve(undefined);
    let held: Uint8Array | undefined;
    setTimeout(() => resolve("timeout"), deadline).unref();
    Bun.connect({
      unix: path,
      socket: {
        binaryType: "uint8array",
        open: (socket) => {
          socket.write(request);
          if (silence !== undefined) setTimeout(() => socket.shutdown(), silence).unref();
        },
        // Over a relay an answer may come in pieces; asked for again, it would be another use of a grant.
        data: (_, chunk) => {
          const bytes = held === undefined ? chunk : join(held, chunk);
          if (isPart(bytes)) held = bytes.slice();
          else resolve(read(bytes));
        },
        close: giveUp,
        error: giveUp,
        connectError: giveUp,
      },
    }).catch(giveUp);
  });
}

const u16 = (frame: Uint8Array, at: number) => frame[at]! * 256 + frame[at + 1]!;
const u32 = (frame: Uint8Array, at: number) => u16(frame, at) * 65_536 + u16(frame, at + 2);

/** wire/PROTOCOL.md: the largest response, with its length. */
const RESPONSE_LIMIT = 1_048_582;

/** Whether more of a frame is to come. */
function isPart(bytes: Uint8Array): boolean {
  return bytes.length < 4 || (bytes.length < u32(bytes, 0) + 4 && bytes.length < RESPONSE_LIMIT);
}

/** Apart from what reads every answer: a function that names Buffer sets it up when it first runs, 0.1 ms of a start. */
function join(held: Uint8Array, chunk: Uint8Array): Uint8Array {
  return Buffer.concat([held, chunk]);
}

function isWhole(frame: Uint8Array): boolean {
  return frame.length >= 6 && u32(frame, 0) + 4 === frame.length && frame[4] === VERSION;
}

/** The line of a whole response to a Vend or a Fetch; undefined for anything else, error replies among it. */
function lineOf(frame: Uint8Array, message: typeof VEND | typeof FETCH): Uint8Array | undefined {
  if (!isWhole(frame) || frame[5] !== message) return undefined;
  // The config's name, and before it the grant's.
  let at = 6;
  for (let names = message === VEND ? 1 : 2; names > 0; names -= 1) at += 2 + u16(frame, at);
  at += frame[at] === 0 ? 1 : 3 + u16(frame, at + 1);
  return u32(frame, at) === frame.length - at - 4 ? frame.subarray(at + 4) : undefined;
}
