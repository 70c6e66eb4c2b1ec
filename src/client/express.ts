// The one question that SDKs ask again and again, on the shortest way: `keyhole [--socket-path S] export --format
// credential-process -n NAME`, for a session that is there. It is answered, or not understood; whatever is unusual or
// wrong, the command line proper does again and says why. Imports nothing: codecs, connection and the parser of
// options cost 2 ms of a start of 4 (`bun run bench`), which every call of every SDK would pay. The tests hold its
// bytes against wire/.

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Milliseconds. A session that is there is answered at once, unless it is just being renewed; then the command line
 * proper asks again, with all of its patience, and meets the same renewal.
 */
const DEADLINE = 2000;

/** wire/PROTOCOL.md: the version, and the number of Vend. */
const VERSION = 1;
const VEND = 2;

/** What else could change the meaning of the words: checked settings, and a chain that may be a loop. */
const DECIDING = [
  "KEYHOLE_CHAIN",
  "KEYHOLE_CLIENT_TIMEOUT",
  "KEYHOLE_CONFIG_DIR",
  "KEYHOLE_LOGGING_PATH",
  "KEYHOLE_MAX_DAEMON_CACHE_SIZE",
  "KEYHOLE_MAX_UNIX_SOCKET_CONNECTIONS",
];

/**
 * Prints the `credential_process` line and returns true, or returns false where the command line proper is to be
 * asked: nothing has happened then that it would have to know of.
 *
 * @param words argv behind the program's name
 */
export async function answerExpress(words: readonly string[], environment: Environment): Promise<boolean> {
  const line = await vendExpress(words, environment);
  if (line === undefined) return false;
  try {
    // Not Bun.write: it reserves the line's length at the start of a file, which puts zeros between what is there and
    // what is appended (`>>`).
    const stdout = Bun.stdout.writer();
    await stdout.write(line);
    await stdout.end();
    return true;
  } catch {
    // A full disk, a reader that has gone: the command line proper meets it again, and knows what to say.
    return false;
  }
}

/** The line, newline included; undefined wherever the command line proper is to be asked. */
export async function vendExpress(words: readonly string[], environment: Environment): Promise<Uint8Array | undefined> {
  const question = understand(words, environment);
  const request = question && encodeRequest(question.name);
  return request && ask(question.socket, request);
}

interface Question {
  readonly name: string;
  /** Absolute. */
  readonly socket: string;
}

/** Only words that are certain: long and short spellings with a separate value, each once. */
function understand(words: readonly string[], environment: Environment): Question | undefined {
  for (const variable of DECIDING) if (environment[variable]) return undefined;
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
  socket ??= environment["KEYHOLE_SOCKET"] || socketOfHome(environment);
  if (!isExport || format !== "credential-process" || name === undefined || !socket?.startsWith("/")) return undefined;
  return { name, socket };
}

/** As paths.ts has it. */
function socketOfHome(environment: Environment): string | undefined {
  const home = environment["KEYHOLE_HOME"] || (environment["HOME"] && `${environment["HOME"]}/.keyhole`);
  return home && `${home}/sock/daemon.sock`;
}

/** A Vend's frame; undefined for a name that is none, which the command line proper refuses. */
function encodeRequest(name: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(name)) return undefined;
  const frame = new Uint8Array(8 + name.length);
  frame[3] = 4 + name.length;
  frame[4] = VERSION;
  frame[5] = VEND;
  frame[7] = name.length;
  for (let at = 0; at < name.length; at += 1) frame[8 + at] = name.charCodeAt(at);
  return frame;
}

function ask(path: string, request: Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const giveUp = () => resolve(undefined);
    setTimeout(giveUp, DEADLINE).unref();
    Bun.connect({
      unix: path,
      socket: {
        binaryType: "uint8array",
        open: (socket) => void socket.write(request),
        // An answer that comes in pieces is asked for again by the command line proper.
        data: (_, chunk) => resolve(lineOf(chunk)),
        close: giveUp,
        error: giveUp,
        connectError: giveUp,
      },
    }).catch(giveUp);
  });
}

/** The line of a whole response to a Vend; undefined for anything else, error replies among it. */
function lineOf(frame: Uint8Array): Uint8Array | undefined {
  const u16 = (at: number) => frame[at]! * 256 + frame[at + 1]!;
  const u32 = (at: number) => u16(at) * 65_536 + u16(at + 2);
  if (frame.length < 9 || u32(0) + 4 !== frame.length || frame[4] !== VERSION || frame[5] !== VEND) return undefined;
  const region = 8 + u16(6);
  const length = frame[region] === 0 ? region + 1 : region + 3 + u16(region + 1);
  return u32(length) === frame.length - length - 4 ? frame.subarray(length + 4) : undefined;
}
