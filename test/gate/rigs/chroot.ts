// The plainest sandbox: namespaces by unshare(1), a root by chroot(1), nothing else.
import { scratch } from "../../interop/run.ts";
import type { Kind } from "../sandbox.ts";
import { childOf } from "./namespaces.ts";
import type { Roots } from "./roots.ts";

/**
 * Lays a layer over the root that takes the mount points, mounts, and closes it all. A tmpfs in this mount namespace
 * holds the layer, so that nothing is left.
 */
const SETUP = `set -e
root=$1 executable=$2 sockets=$3 proc=$4 devices=$5 scratch=$6 uid=$7; shift 7
mount -t tmpfs none "$scratch"
cd "$scratch"
mkdir upper work root
mount -t overlay -o "lowerdir=$root,upperdir=upper,workdir=work" none root
cd root
mkdir -p run/keyhole state
[ -e keyhole ] || { : >keyhole; mount --bind "$executable" keyhole; }
mount --bind "$sockets" run/keyhole
mount -o remount,bind,ro run/keyhole
mount -t tmpfs -o mode=1777 none state
if [ "$proc" = proc ]; then mkdir -p proc; mount -t proc none proc; else rm -rf proc; fi
if [ "$devices" = dev ]; then mkdir -p dev; : >>dev/null; mount --bind /dev/null dev/null; else rm -rf dev; fi
mount -o remount,bind,ro "$scratch/root"
exec chroot --userspec="$uid:$uid" . "$@"`;

export function chroot(roots: Roots): Kind {
  const mountPoint = scratch("chroot");
  return {
    needs: [],
    async close() {
      mountPoint.remove();
    },
    command(program, { host, root, uid, noProc, noDevices }) {
      const unshare = ["unshare", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child"];
      const settings = [
        roots.pathOf(root),
        host.program,
        host.directory,
        noProc ? "none" : "proc",
        noDevices ? "none" : "dev",
        mountPoint.path,
        uid,
      ];
      return [...unshare, "sh", "-c", SETUP, "sh", ...settings.map(String), ...program];
    },
    async enter(program, { uid }, { child }) {
      const namespaces = ["--mount", "--net", "--ipc", "--uts", "--pid", "--root", "--wd"];
      const user = uid === 0 ? [] : [`--setuid=${uid}`, `--setgid=${uid}`];
      return ["nsenter", `--target=${await childOf(child)}`, ...namespaces, ...user, "--", ...program];
    },
    signal: async (signal, { child }) => ["kill", `-${signal}`, String(await childOf(child))],
  };
}
