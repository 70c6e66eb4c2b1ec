// One question over a connection of its own.
import type { MessageName, RequestOf, ResponseOf } from "../wire/messages.ts";
import { Connection } from "./connection.ts";

/**
 * Nothing is tried again, also where nobody listens.
 *
 * @param timeoutMs milliseconds to wait for the connection, and for the answer
 * @throws KeyholeError as `Connection.open` and `request` do
 */
export async function askOnce<Name extends MessageName>(
  path: string,
  timeoutMs: number,
  name: Name,
  body: RequestOf<Name>,
): Promise<ResponseOf<Name>> {
  const connection = await Connection.open(path, { timeoutMs, refusedPatienceMs: 0 });
  try {
    return await connection.request(name, body);
  } finally {
    connection.close();
  }
}
