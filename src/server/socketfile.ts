// The file of a socket that listens: put into its place with its mode, told apart from others', removed when stale.
import { lchownSync, lstatSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { codeOf, isErrno } from "../errno.ts";
import { KeyholeError } from "../errors.ts";
import { type FileIdentity, isSameFile } from "../files/identity.ts";
import { bindingName } from "../files/writing.ts";
import { baseOf, directoryOf } from "../paths.ts";
import { quotePosix } from "../text/quoting.ts";

export interface SocketPlace {
  /** Absolute. Its directory is private and exists; the caller holds the lock that belongs to it. */
  readonly path: string;
  /** Permissions of the socket file. */
  readonly mode: number;
  /** Its group; that of the process if absent. */
  readonly group?: number | undefined;
}

/** A server, and the file by which clients find it. */
export interface Bound<Data> {
  readonly server: Bun.UnixSocketListener<Data | undefined>;
  readonly file: FileIdentity | undefined;
}

/**
 * Bun's stop() unlinks the path it bound, whatever stands there by then. So another name is bound, which is
 * then renamed: the socket appears at its path complete and with its mode, and only we remove it.
 *
 * @throws KeyholeError `unsafe-path`, or `usage` for a path that the kernel does not take.
 */
export function bindSocket<Data>(
  { path, mode, group }: SocketPlace,
  handlers: Bun.SocketHandler<Data | undefined>,
): Bound<Data> {
  const boundPath = `${directoryOf(path)}/${bindingName(baseOf(path))}`;
  rmSync(boundPath, { force: true });
  const server = bind(boundPath, mode, handlers);
  if (group !== undefined) giveToGroup(boundPath, group, () => server.stop(true));
  renameSync(boundPath, path);
  return { server, file: lstatSync(path) };
}

/** Serves a socket that listens already. */
export function listenAt<Data>(descriptor: number, handlers: Bun.SocketHandler<Data | undefined>) {
  // Neither its types nor its documentation mention `fd`.
  const options = { fd: descriptor, allowHalfOpen: true, socket: handlers, data: undefined } as unknown;
  return Bun.listen(options as Bun.UnixSocketOptions<Data | undefined>);
}

/**
 * Makes way for bind: removes a socket that nobody listens on. Only the holder of the lock may call it. Between the
 * proof and the removal someone without our lock could bind there; an honest keyhole never does.
 *
 * @throws KeyholeError `already-running` if somebody answers, `unsafe-path`
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new KeyholeError(
      "unsafe-path",
      `${path} is occupied by a file that is not a socket`,
      `ls -l ${quotePosix(path)}`,
    );
  }
  try {
    const probe = await Bun.connect({ unix: path, socket: { data: () => {} } });
    probe.end();
  } catch {
    unlinkSync(path);
    return;
  }
  throw new KeyholeError("already-running", `something already answers at ${path}`);
}

/** Whether it is that file, and not one that somebody else put there, who may also have closed the way to it. */
export function isAt(path: string, file: FileIdentity | undefined): boolean {
  try {
    return isSameFile(lstatSync(path, { throwIfNoEntry: false }), file);
  } catch {
    return false;
  }
}

/** Binds with the mode from the first moment on: there is no instant at which the socket is open to others. */
function bind<Data>(path: string, mode: number, socket: Bun.SocketHandler<Data | undefined>) {
  const previous = process.umask(0o777 & ~mode);
  try {
    return Bun.listen<Data | undefined>({ unix: path, allowHalfOpen: true, socket, data: undefined });
  } catch (error) {
    if (isErrno(error, "EINVAL", "ENAMETOOLONG")) {
      throw new KeyholeError("usage", `the socket path ${path} is too long`, "use a shorter --socket-path");
    }
    throw new KeyholeError("unsafe-path", `cannot bind ${path} (${codeOf(error) ?? "unknown"})`);
  } finally {
    process.umask(previous);
  }
}

/** A set-group-ID directory has done it already; in any other, whoever is no member of the group may not. */
function giveToGroup(path: string, group: number, giveUp: () => void): void {
  const { uid, gid } = lstatSync(path);
  if (gid === group) return;
  try {
    lchownSync(path, uid, group);
  } catch (error) {
    giveUp();
    const directory = directoryOf(path);
    const what = `the socket in ${directory} cannot be given to its group ${group} (${codeOf(error) ?? "unknown"})`;
    throw new KeyholeError("unsafe-path", what, `sudo chmod g+s ${quotePosix(directory)}`);
  }
}
