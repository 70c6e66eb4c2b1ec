// The grants of a daemon: their definitions, directories, sockets and sessions.
import type { GrantInfo, ResponseOf } from "../../wire/messages.ts";
import type { Caller } from "../../server/dispatch.ts";
import type { GrantRequest } from "./plan.ts";

/** What the control socket may ask of grants. Times in a GrantInfo are on AWS's clock. */
export interface Grants {
  /** Open connections of all grants. */
  readonly connections: number;
  /**
   * Checks everything, also with STS's limits, before anything is made; the session is assumed before it answers.
   *
   * @throws KeyholeError `grant-exists`, `invalid-grant`, `no-such-config`, and what CredentialSource.assume throws; the
   *   grant then does not exist.
   */
  add(request: GrantRequest, caller: Caller): Promise<GrantInfo>;
  /** As `add`, of a grant that is removed when the caller's process ends. @throws KeyholeError `forbidden` */
  run(request: Omit<GrantRequest, "runner">, caller: Caller): Promise<GrantInfo>;
  /** What it was made with. @throws KeyholeError `no-such-grant` */
  source(name: string): ResponseOf<"GrantSource">;
  /** By name. */
  list(): GrantInfo[];
  /** Idempotent. Its effect is complete when it returns. @throws KeyholeError `no-such-grant` */
  revoke(name: string, caller: Caller): GrantInfo;
  /** Revokes, and removes directory and definition. @throws KeyholeError `no-such-grant` */
  remove(name: string, caller: Caller): void;
  /** The oldest question that nobody has answered; waits for one, up to 10 s. */
  question(): Promise<ResponseOf<"GrantQuestion">>;
  /** An answer that comes too late changes nothing. */
  answer(id: number, allow: boolean, caller: Caller): void;
  /** Takes in what a person has changed among the definitions (SIGHUP). */
  reload(): Promise<void>;
  /** Sends what is owed for up to `patience` milliseconds, and removes the sockets; leases stay until they expire. */
  close(patience: number): Promise<void>;
}
