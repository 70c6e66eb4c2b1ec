// The questions that SDKs ask again and again, on the shortest way: `keyhole [--socket-path S] export --format
// credential-process -n NAME`, for a session that is there, and, from the directory of a grant, `keyhole` alone. They
// are answered, or not understood; whatever is unusual or wrong, the command line proper does again and says why.
// Imports nothing: codecs, connection and the parser of options cost 2 ms of a start of 4 (`bun run bench`), which
// every call of every SDK would pay. The tests hold its bytes against wire/.

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What is understood here, and in build/express/express.c before Bun starts, whose header is made of it: words, variables,
 * names and numbers are said once for both.
 */
export const lane = {
  command: "export",
  format: "credential-process",
  socketWords: ["--socket-path", "-sp"],
  formatWords: ["--format", "-f"],
  nameWords: ["--name", "-n"],
  /** What else could change the meaning of the words: checked settings, and a chain that may be a loop. */
  deciding: [
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
  ],
  /** Variables that may ask for another session than the one of a config's name. A grant's session is not affected. */
  choosing: [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "KEYHOLE_SOURCE_AWS_CONFIG_FILE",
    "KEYHOLE_SOURCE_AWS_SHARED_CREDENTIALS_FILE",
  ],
  /** So may files, which may name an STS, but for those that keyhole gave: the third has the path of its config file. */
  files: ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "KEYHOLE_SOURCE_GIVEN"],
  givenCredentials: "credentials",
  /** Files in a grant's directory, and the control socket below keyhole's home. */
  grantSocket: "sock",
  grantConfig: "aws-config",
  homeSocket: "/sock/daemon.sock",
  /** Descriptors of what a grant has answered so far and of its socket, from express.c. */
  answerVariable: "KEYHOLE_ANSWER",
  /** wire/PROTOCOL.md#5-messages: the version, and the numbers of Vend, Fetch and an error reply. */
  version: 1,
  vend: 2,
  fetch: 15,
  error: 255,
  /** errors.ts: what a daemon says that is being replaced. It has done nothing, and may be asked again. */
  shuttingDown: 24,
  longestName: 128,
  /**
   * Milliseconds. A session that is there is answered at once, unless it is just being renewed; then the command line
   * proper asks again, with all of its patience, and meets the same renewal.
   */
  vendDeadline: 2_000,
  /** Milliseconds. Asked once and waited for: a second request would be a second use, or question. */
  fetchDeadline: 20_000,
  /**
   * Milliseconds after which a control socket is told that nothing more is asked: another program than a daemon, elhaz
   * where KEYHOLE_HOME is its directory, waits for that, and then answers what the command line proper understands.
   */
  silence: 250,
} as const;

/** What a grant's socket said instead of credentials: the whole error reply, or nothing in all that time. */
export type Refusal = Uint8Array | "timeout";

/**
 * Prints the `credential_process` line and returns "answered". "unusual" is for the command line proper, which has
 * nothing to know of what happened; so is a Refusal, which it explains without asking again.
 *
 * @param words argv after the program's name
 * @param executable the path of this executable, from the working directory
 */
export async function answerExpress(
  words: readonly string[],
  environment: Environment,
  executable: string,
): Promise<"answered" | "unusual" | { readonly refusal: Refusal }> {
  const held = isStatic && environment[lane.answerVariable];
  const answer = held ? await continueAnswer(held) : await askExpress(words, environment, executable);
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

declare const KEYHOLE_LIBC: string;
/** Whether express.c runs before this: it lets no variable of its name in from outside. */
const isStatic = typeof KEYHOLE_LIBC === "string" && KEYHOLE_LIBC !== "";

type Answer = { readonly line: Uint8Array } | { readonly refusal: Refusal };

/** The line, newline included; undefined wherever the command line proper is to be asked. */
export async function askExpress(
  words: readonly string[],
  environment: Environment,
  executable: string,
): Promise<Answer | undefined> {
  const question = understand(words, environment);
  if (question === undefined) return undefined;
  const { isExport, name, socket } = question;
  if (socket === undefined) {
    const directory = grantDirectoryOf(executable);
    if (name === undefined) return directory === undefined ? undefined : fetch(`${directory}/${lane.grantSocket}`);
    // Whether the grant is the one that is meant, the command line proper finds out.
    if (directory !== undefined) return undefined;
  } else if (name === undefined) {
    // As the AWS config of a grant without an executable has it.
    const isGrant = socket.startsWith("/") && socket === `${grantDirectoryOf(socket)}/${lane.grantSocket}`;
    return isExport && isGrant ? fetch(socket) : undefined;
  }
  const path = socket ?? socketOfHome(environment);
  if (name === undefined || !/^[A-Za-z0-9_-]{1,128}$/.test(name) || !path?.startsWith("/")) return undefined;
  const request = encodeNamed(lane.vend, name);
  const isOwn = isOwnControlSocket(path);
  // A grant's socket must not be told a config's name; where the home has its socket, none is a grant's.
  if (path !== socketOfHome(environment) && !(await isOwn)) return undefined;
  const line = await ask(
    { unix: path },
    { request, deadline: lane.vendDeadline, silence: lane.silence, read: (frame) => lineOf(frame, lane.vend) },
  );
  // What another user says is not believed.
  return line instanceof Uint8Array && (await isOwn) ? { line } : undefined;
}

interface Question {
  readonly isExport: boolean;
  readonly name: string | undefined;
  /** The one that was named, if one was. */
  readonly socket: string | undefined;
}

/** Only words that are certain: long and short spellings with a separate value, each once. */
function understand(words: readonly string[], environment: Environment): Question | undefined {
  for (const variable of lane.deciding) if (environment[variable]) return undefined;
  // Off, as in a grant's environment, it decides what happens where no daemon answers; other values have to be checked.
  if ((environment["KEYHOLE_AUTOSTART"] || "0") !== "0") return undefined;
  let socket: string | undefined;
  let name: string | undefined;
  let format: string | undefined;
  let isExport = false;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]!;
    if (word === lane.command && !isExport) {
      isExport = true;
      continue;
    }
    at += 1;
    const value = words[at];
    if (value === undefined) return undefined;
    if (has(lane.socketWords, word) && socket === undefined) socket = value;
    else if (has(lane.formatWords, word) && isExport && format === undefined) format = value;
    else if (has(lane.nameWords, word) && isExport && name === undefined) name = value;
    else return undefined;
  }
  if (isExport ? format !== lane.format : socket !== undefined) return undefined;
  socket ??= environment["KEYHOLE_SOCKET"] || undefined;
  if (name !== undefined && lane.choosing.some((variable) => environment[variable])) return undefined;
  if (name !== undefined && !areFilesGiven(environment)) return undefined;
  return { isExport, name, socket };
}

/** Whether no file is named, or those of `exec --refresh` and `shell`. */
function areFilesGiven(environment: Environment): boolean {
  const [config, credentials, given = ""] = lane.files.map((variable) => environment[variable]);
  if (config && config !== given) return false;
  return !credentials || credentials === given.slice(0, given.lastIndexOf("/") + 1) + lane.givenCredentials;
}

function has(list: readonly string[], word: string): boolean {
  return list.includes(word);
}

/** As client/target.ts has it. Without node:fs, which costs 1.5 ms; of a socket the size is infinite. */
function grantDirectoryOf(executable: string): string | undefined {
  // A name without a directory was found in PATH; the command line proper looks there again.
  const directory = executable.slice(0, Math.max(0, executable.lastIndexOf("/")));
  return directory !== "" && Bun.file(`${directory}/${lane.grantConfig}`).size > 0 ? directory : undefined;
}

/** As a daemon of this user makes it. One of a group's, of root's or of another user's, the command line proper looks at. */
export async function isOwnControlSocket(path: string): Promise<boolean> {
  try {
    const { mode, uid } = await Bun.file(path).stat();
    return (mode & 0o777) === 0o600 && uid === process.getuid?.();
  } catch {
    return false;
  }
}

/** As paths.ts has it. */
export function socketOfHome(environment: Environment): string | undefined {
  const home = environment["KEYHOLE_HOME"] || (environment["HOME"] && `${environment["HOME"]}/.keyhole`);
  return home && `${home}${lane.homeSocket}`;
}

/**
 * The frame of a message whose request is a name. Without TextEncoder, whose first use costs 0.3 ms of a start.
 *
 * @param name a byte for each character
 */
export function encodeNamed(message: number, name: string): Uint8Array {
  const frame = new Uint8Array(8 + name.length);
  frame[2] = (4 + name.length) >> 8;
  frame[3] = 4 + name.length;
  frame[4] = lane.version;
  frame[5] = message;
  frame[6] = name.length >> 8;
  frame[7] = name.length;
  for (let at = 0; at < name.length; at += 1) frame[8 + at] = name.charCodeAt(at);
  return frame;
}

/** A grant's credentials; undefined where no daemon was reached, which the command line proper tries again for a while. */
async function fetch(path: string): Promise<Answer | undefined> {
  const request = Uint8Array.of(0, 0, 0, 2, lane.version, lane.fetch);
  const answer = await ask({ unix: path }, { request, deadline: lane.fetchDeadline, read: readFetched });
  return answer === "timeout" ? { refusal: answer } : answer;
}

function readFetched(frame: Uint8Array): Answer | undefined {
  if (isWhole(frame) && frame[5] === lane.error)
    return frame.length > 8 && u16(frame, 6) === lane.shuttingDown ? undefined : { refusal: frame };
  const line = lineOf(frame, lane.fetch);
  return line && { line };
}

/** Goes on with what express.c has begun and could not end: a grant that took a request is never asked twice. */
async function continueAnswer(descriptors: string): Promise<Answer | undefined> {
  const [memory = -1, fd = -1] = descriptors.split(",").map(Number);
  const held: Uint8Array = process.getBuiltinModule("node:fs").readFileSync(memory);
  if (held.length > 0 && !isPart(held)) return readFetched(held);
  const answer = await ask({ fd }, { held, deadline: lane.vendDeadline, read: readFetched });
  return answer === "timeout" ? { refusal: answer } : answer;
}

interface Asking<Read> {
  /** Absent where it was sent already. */
  readonly request?: Uint8Array;
  /** What was received of the answer already. */
  readonly held?: Uint8Array;
  readonly deadline: number;
  readonly silence?: number;
  readonly read: (frame: Uint8Array) => Read | undefined;
}

/** What `read` makes of an answer; undefined where no daemon was reached or the connection was closed. */
export function ask<Read>(
  peer: { readonly unix: string } | { readonly fd: number },
  { request, held: first, deadline, silence, read }: Asking<Read>,
): Promise<Read | undefined | "timeout"> {
  return new Promise((resolve) => {
    const giveUp = () => resolve(undefined);
    let held = first;
    setTimeout(() => resolve("timeout"), deadline).unref();
    Bun.connect({
      // Bun's types do not know that it takes a connected descriptor.
      ...(peer as { unix: string }),
      socket: {
        binaryType: "uint8array",
        open: (socket) => {
          if (request !== undefined) socket.write(request);
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

/** wire/PROTOCOL.md#2-frames: the largest response, with its length. */
const RESPONSE_LIMIT = 1_048_582;

/** Whether more of a frame is to come. */
function isPart(bytes: Uint8Array): boolean {
  return bytes.length < 4 || (bytes.length < u32(bytes, 0) + 4 && bytes.length < RESPONSE_LIMIT);
}

/** Apart from what reads every answer: a function that names Buffer sets it up when it first runs, 0.1 ms of a start. */
function join(held: Uint8Array, chunk: Uint8Array): Uint8Array {
  return Buffer.concat([held, chunk]);
}

export function isWhole(frame: Uint8Array): boolean {
  return frame.length >= 6 && u32(frame, 0) + 4 === frame.length && frame[4] === lane.version;
}

/** The line of a whole response to a Vend or a Fetch; undefined for anything else, error replies among it. */
function lineOf(frame: Uint8Array, message: number): Uint8Array | undefined {
  if (!isWhole(frame) || frame[5] !== message) return undefined;
  // The config's name, and before it the grant's.
  let at = 6;
  for (let names = message === lane.vend ? 1 : 2; names > 0; names -= 1) at += 2 + u16(frame, at);
  at += frame[at] === 0 ? 1 : 3 + u16(frame, at + 1);
  return u32(frame, at) === frame.length - at - 4 ? frame.subarray(at + 4) : undefined;
}
