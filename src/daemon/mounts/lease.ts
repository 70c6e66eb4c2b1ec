// A lease: the credentials of a grant that is delivered as a file, as what `credential_process = cat lease.json` prints.
import { escapeControls } from "../../text/controls.ts";
import type { KeyholeError } from "../../errors.ts";
import type { Mount } from "./mount.ts";

export interface Lease {
  /**
   * Replaces the lease, atomically. Keeps no byte of it.
   *
   * @param line the finished `credential_process` answer
   * @throws KeyholeError `unsafe-path`; the lease before it stays.
   */
  write(line: Uint8Array): void;
  /**
   * Puts an error document in the place of the credentials: JSON whose `Version` is the reason. Every SDK refuses it,
   * and botocore shows the version that it does not know. Where that cannot be written, as on a
   * file system that somebody has filled, there is no file.
   *
   * @throws KeyholeError `unsafe-path`; the credentials are gone all the same, if they could be removed.
   */
  end(reason: KeyholeError): void;
}

/** Whatever uid a container maps to can read it. */
const LEASE_MODE = 0o444;

export function createLease(mount: Pick<Mount, "write" | "clear">): Lease {
  return {
    write: (line) => mount.write("lease.json", line, LEASE_MODE),
    end: (reason) => {
      const document = escapeControls(JSON.stringify({ Version: `keyhole: ${reason.message}` }));
      try {
        mount.write("lease.json", Buffer.from(`${document}\n`), LEASE_MODE);
      } catch (error) {
        mount.clear("lease.json");
        throw error;
      }
    },
  };
}
