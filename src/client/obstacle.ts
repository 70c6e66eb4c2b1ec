// What keeps a user from a socket below directories of their own: a mode, or another owner such as root, whom `sudo` left
// there. A sandbox refuses with the same errno, and shows in neither.
import { KeyholeError } from "../errors.ts";
import { directoryOf } from "../paths.ts";
import { quotePosix } from "../text/quoting.ts";

/** Undefined where nothing that this user could mend is in the way. */
export function findObstacle(path: string): KeyholeError | undefined {
  const fs = process.getBuiltinModule("node:fs");
  const own = process.geteuid?.();
  const isOpen = (each: string, how: number): boolean => {
    try {
      fs.accessSync(each, how);
      return true;
    } catch {
      return false;
    }
  };
  const outer = directoryOf(path);
  const how = isOpen(outer, fs.constants.X_OK) ? fs.constants.W_OK : fs.constants.X_OK;
  let place = how === fs.constants.W_OK ? path : outer;
  if (isOpen(place, how)) return undefined;
  while (place !== "/" && !isOpen(directoryOf(place), fs.constants.X_OK)) place = directoryOf(place);
  try {
    const { uid } = fs.statSync(place);
    if (uid === own)
      return new KeyholeError("unsafe-path", `${place} is closed by its mode`, `chmod u+rwx ${quotePosix(place)}`);
    if (fs.statSync(directoryOf(place)).uid !== own) return undefined;
    const hint = `sudo chown -R ${own} ${quotePosix(place)}`;
    return new KeyholeError("unsafe-path", `${place} belongs to another user (uid ${uid})`, hint);
  } catch {
    return undefined;
  }
}
