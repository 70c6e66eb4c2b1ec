// Every message of the protocol, sent by a member to the shared socket: a plain client, which asks what none of ours does.
import { errorNameOf } from "../../src/errors.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import { encodeFrame, FrameDecoder, RESPONSE_LIMIT } from "../../src/wire/frame.ts";
import { ERROR_NUMBER, errorReply, type MessageName, messages } from "../../src/wire/messages.ts";
import { NO_TERMS } from "../grants/fakes/grants.ts";
import type { Users } from "./users.ts";

const addition = { directory: "/", name: "g", config: "dev", ...NO_TERMS, ttlSeconds: undefined, environment: [] };

/** A body of each message that is right in itself. */
const bodies: Readonly<Record<MessageName, object>> = {
  Hello: { version: "1" },
  Vend: { config: "admin" },
  Add: { config: "dev", environment: [], verify: true, renew: true },
  Remove: { config: "dev" },
  List: {},
  Status: {},
  Identity: { config: "dev" },
  Stop: {},
  GrantRevoke: { name: "g" },
  GrantRemove: { name: "g" },
  GrantQuestion: {},
  GrantAnswer: { id: 1, allow: true },
  Fetch: {},
  AddIn: { directory: "/", config: "dev", environment: [], verify: true, renew: true, keep: false, urgent: true },
  Compare: { config: "dev", environment: [] },
  GrantSource: { name: "g" },
  Proxies: {},
  Surround: { workingDirectory: "/", leftOut: [], piece: new Uint8Array(), more: false },
  GrantRun: addition,
  GrantMake: addition,
  GrantsList: {},
  GrantSet: { name: "g", executable: "full", arch: undefined },
  Codes: {},
  CodeTurn: { id: 1, canAsk: true },
  CodeAnswer: { id: 1, code: "123456" },
  TimeLeft: { config: "dev" },
};

/** The kind of error that each message is answered with, or `answer`. */
export async function attack(users: Users, name: string, socket: string): Promise<Record<string, string>> {
  const names = Object.keys(messages) as MessageName[];
  const frames = names.map((message) =>
    encodeFrame(messages[message].number, encode<any>(messages[message].request, bodies[message])),
  );
  const client = `import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(bytes.fromhex(sys.argv[2]))
s.shutdown(socket.SHUT_WR)
while True:
    data = s.recv(65536)
    if not data: break
    sys.stdout.write(data.hex())
`;
  const hex = Buffer.concat(frames).toString("hex");
  const { stdout, stderr } = await users.asRoot([...users.as(name), "/usr/bin/python3", "-c", client, socket, hex]);
  const answers = new FrameDecoder(RESPONSE_LIMIT).push(new Uint8Array(Buffer.from(stdout, "hex")));
  if (answers.length !== names.length) throw new Error(`${answers.length} answers: ${stderr}`);
  return Object.fromEntries(
    answers.map((frame, index) => [
      names[index]!,
      frame.message === ERROR_NUMBER ? errorNameOf(decode(errorReply, frame.body).number) : "answer",
    ]),
  );
}
