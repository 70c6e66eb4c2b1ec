// What a keyhole client does first, as a credential_process: refuse a profile of the environment, and to wait for
// itself. Argument: a config's name.
import { refusalOfWalk, refuseLoop } from "../../src/loop.ts";
import { KeyholeError } from "../../src/errors.ts";
import { SOCKET } from "./fixture.ts";

try {
  const refusal = refusalOfWalk(process.env);
  if (refusal !== undefined) {
    console.log(refusal.message);
    throw refusal;
  }
  refuseLoop(process.env, process.argv[2]!, SOCKET);
  console.log(JSON.stringify({ Version: 1, AccessKeyId: "AKIALOOP", SecretAccessKey: process.env["KEYHOLE_CHAIN"] }));
} catch (error) {
  if (!(error instanceof KeyholeError)) throw error;
  console.error(`keyhole: error: ${error.message}\nkeyhole: hint: ${error.hint}`);
  process.exit(error.exitStatus);
}
