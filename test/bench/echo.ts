// `echo SOCKET SIZE`: a bare Bun.listen that answers whatever arrives with SIZE bytes in the frame of a Vend. What the
// daemon's throughput is measured against.
import { encodeFrame } from "../../src/wire/frame.ts";
import { messages } from "../../src/wire/messages.ts";

const [path, size] = process.argv.slice(2);
const header = encodeFrame(messages.Vend.number, new Uint8Array(0)).length;
const answer = encodeFrame(messages.Vend.number, new Uint8Array(Number(size) - header));

Bun.listen({
  unix: path!,
  socket: {
    data: (socket) => {
      socket.write(answer);
    },
  },
});
console.log("ready");
