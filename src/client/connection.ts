// One connection to a daemon: asks, waits, answers. Knows the wire, and neither AWS nor terminals.
import { codeOf, KeyholeError } from "../errors.ts";
import { type Frame, FrameDecoder, MalformedFrame, RESPONSE_LIMIT } from "../wire/frame.ts";
import { ERROR_NUMBER, type MessageName, type RequestOf, type ResponseOf } from "../wire/messages.ts";
import { connectError, findProhibition, NO_LISTENER } from "./connect-errors.ts";
import { encodeRequest, readAnswer, replyError } from "./messaging.ts";

/** How long a client waits for the connection and for an answer. */
export interface ConnectionOptions {
  /** Milliseconds to wait for one answer, and for the connection before it. */
  readonly timeoutMs: number;
  /** How long a refused connection is tried again, in milliseconds; REFUSED_PATIENCE if absent. */
  readonly refusedPatienceMs?: number;
  /**
   * Asked when that time is over: whether the daemon answers others. Then it waits itself, for AWS, for a program that
   * gives a code or for the person who types it, has deadlines for them, and will say what it was.
   */
  readonly isThere?: (() => Promise<boolean>) | undefined;
}

interface Waiter {
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A full backlog looks like a stale socket to Bun's caller (EAGAIN becomes ECONNREFUSED), so ECONNREFUSED is asked again for this long,
 * in milliseconds, before it counts. The kernel answers at once, so a dead socket costs a person no more than this.
 */
const REFUSED_PATIENCE = 400;
/** Milliseconds, whatever the daemon waits for: above the hour that MFA.timeout may be, and what AWS may take. */
const LONGEST_PATIENCE = 3_700_000;
/** Milliseconds before the second attempt; each pause is twice the one before. */
const FIRST_PAUSE = 4;

/** A connection that carries one request at a time or many; responses come in order. */
export class Connection {
  readonly #timeoutMs: number;
  readonly #isThere: ConnectionOptions["isThere"];
  readonly #decoder = new FrameDecoder(RESPONSE_LIMIT);
  readonly #waiters: Waiter[] = [];
  #socket: Bun.Socket<unknown> | undefined;
  #unsent: Uint8Array | undefined;
  #failure: KeyholeError | undefined;

  private constructor(options: ConnectionOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#isThere = options.isThere;
  }

  /**
   * @throws KeyholeError `unreachable` where no daemon answers, `blocked` where a sandbox or another user's file mode forbids
   *   it, `unsafe-path` where the user's own home keeps its owner out. It never removes or starts anything.
   */
  static async open(socketPath: string, options: ConnectionOptions): Promise<Connection> {
    const patience = options.refusedPatienceMs ?? REFUSED_PATIENCE;
    const giveUpAt = performance.now() + Math.min(patience, options.timeoutMs);
    for (let pause = FIRST_PAUSE; ; pause *= 2) {
      const connection = new Connection(options);
      try {
        connection.#socket = await Bun.connect({ unix: socketPath, socket: connection.#handlers() });
        return connection;
      } catch (error) {
        const code = codeOf(error);
        if (code !== "ECONNREFUSED") throw connectError(socketPath, code);
        const isLast = performance.now() >= giveUpAt;
        const probe = isLast ? socketPath : pause === FIRST_PAUSE ? NO_LISTENER : undefined;
        const prohibition = probe && (await findProhibition(probe));
        if (prohibition !== undefined || isLast) throw connectError(socketPath, prohibition ?? code);
      }
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
    }
  }

  /**
   * Sends one request and waits for its response.
   *
   * @throws KeyholeError the daemon's own error, `timeout`, or `unreachable` if the daemon goes away meanwhile.
   */
  async request<Name extends MessageName>(name: Name, body: RequestOf<Name>): Promise<ResponseOf<Name>> {
    return readAnswer(name, await this.#exchange(encodeRequest(name, body)));
  }

  /** Who listens at the other end, found by `ask`, which is given the socket. */
  identify<Identity>(ask: (socket: object) => Identity): Identity {
    if (this.#socket === undefined || this.#failure !== undefined) {
      throw this.#failure ?? new KeyholeError("unreachable", "the connection was closed");
    }
    return ask(this.#socket);
  }

  /** Says that nothing more is asked; what has been asked is answered. */
  finish(): void {
    this.#socket?.shutdown();
  }

  /** Ends the connection; requests still waiting fail. */
  close(): void {
    this.#fail(new KeyholeError("unreachable", "the connection was closed"));
    this.#socket?.end();
  }

  #exchange(frame: Uint8Array): Promise<Frame> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise<Frame>((resolve, reject) => {
      const cancel = this.#awaitLateness();
      this.#waiters.push({
        resolve: (answer) => {
          cancel();
          resolve(answer);
        },
        reject: (error) => {
          cancel();
          reject(error);
        },
      });
      this.#send(frame);
    });
  }

  /** @returns ends the waiting */
  #awaitLateness(): () => void {
    const began = performance.now();
    let isOver = false;
    const look = async (): Promise<void> => {
      const isThere = performance.now() - began < LONGEST_PATIENCE && (await this.#isThere?.()) === true;
      if (isOver) return;
      if (isThere) return void (timer = setTimeout(look, this.#timeoutMs));
      this.#fail(new KeyholeError("timeout", `the daemon gave no answer in ${this.#timeoutMs / 1000} s`));
      this.#socket?.terminate();
    };
    let timer = setTimeout(look, this.#timeoutMs);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }

  #send(frame: Uint8Array): void {
    const bytes = this.#unsent === undefined ? frame : Buffer.concat([this.#unsent, frame]);
    const written = Math.max(this.#socket?.write(bytes) ?? 0, 0);
    this.#unsent = written < bytes.length ? bytes.subarray(written) : undefined;
  }

  #handlers(): Bun.SocketHandler {
    return {
      binaryType: "uint8array",
      data: (socket, chunk) => {
        try {
          for (const frame of this.#decoder.push(chunk)) this.#deliver(frame);
        } catch (error) {
          const reason = error instanceof MalformedFrame ? error.message : "a malformed answer";
          this.#fail(foreignAnswer(chunk, reason));
          socket.terminate();
        }
      },
      drain: () => {
        if (this.#unsent !== undefined) this.#send(new Uint8Array(0));
      },
      close: () => this.#fail(new KeyholeError("unreachable", "the daemon closed the connection")),
      error: () => this.#fail(new KeyholeError("unreachable", "the connection to the daemon failed")),
    };
  }

  #deliver(frame: Frame): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.resolve(frame);
    // A daemon that refuses a peer says so before it is asked.
    else if (frame.message === ERROR_NUMBER) this.#fail(replyError(frame.body));
  }

  #fail(failure: KeyholeError): void {
    this.#failure ??= failure;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(failure);
  }
}

function foreignAnswer(chunk: Uint8Array, reason: string): KeyholeError {
  const what = "what answers is not a keyhole daemon: ";
  if (chunk[0] !== "{".charCodeAt(0)) return new KeyholeError("unsupported-version", what + reason);
  const hint = "stop the other program (elhaz daemon stop), or unset KEYHOLE_HOME and KEYHOLE_SOCKET";
  return new KeyholeError("unsupported-version", `${what}it speaks JSON, as elhaz does`, hint);
}
