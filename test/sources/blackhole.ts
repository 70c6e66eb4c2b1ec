// A host that swallows packets, on the loopback: a socket whose queue of connections is full and never emptied.
import { dlopen, FFIType } from "bun:ffi";
import { connect, type Socket } from "node:net";

export interface BlackHole {
  readonly port: number;
  close(): void;
}

/** Linux drops the packets of connections that find the queue full; other systems refuse them. */
export async function listenWithoutAccepting(): Promise<BlackHole> {
  const { i32, ptr } = FFIType;
  const libc = dlopen("libc.so.6", {
    socket: { args: [i32, i32, i32], returns: i32 },
    bind: { args: [i32, ptr, i32], returns: i32 },
    listen: { args: [i32, i32], returns: i32 },
    getsockname: { args: [i32, ptr, ptr], returns: i32 },
    close: { args: [i32], returns: i32 },
  }).symbols;
  const descriptor = libc.socket(2, 1, 0);
  const address = new Uint8Array(16);
  // AF_INET, port 0, 127.0.0.1.
  address.set([2, 0, 0, 0, 127, 0, 0, 1]);
  if (libc.bind(descriptor, address, 16) !== 0 || libc.listen(descriptor, 0) !== 0) throw new Error("no black hole");
  libc.getsockname(descriptor, address, new Uint32Array([16]));
  const port = new DataView(address.buffer).getUint16(2);
  const filling: Socket = connect({ host: "127.0.0.1", port });
  await new Promise<void>((resolve) => filling.once("connect", resolve));
  return {
    port,
    close: () => {
      filling.destroy();
      libc.close(descriptor);
    },
  };
}
