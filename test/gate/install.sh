#!/bin/bash
# Installs the rigs of the gate (as root, Debian packages) and makes the root file system of a Debian, once, in a
# directory outside the repository (KEYHOLE_GATE_CACHE, by default in the user's cache). Repeating it costs nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=test/packages.sh
. "$here/../packages.sh"

packages=(busybox-static bubblewrap debootstrap docker.io fuse-overlayfs podman runc runsc slirp4netns uidmap util-linux)

main() {
  cache=${KEYHOLE_GATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keyhole-gate}
  mkdir -p "$cache"
  install_packages "${packages[@]}"
  make_debian
}

# From the mirror that this machine's apt uses; moved into place when it is whole.
make_debian() {
  local target=$cache/debian codename mirror
  [[ -e $target ]] && return 0
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format "\$(SITE)" 'Created-By: Packages' "Codename: $codename" | head -n 1)
  rm -rf "$target.new"
  debootstrap --variant=minbase "$codename" "$target.new" "$mirror" >"$cache/debootstrap.log" 2>&1 ||
    { tail -n 20 "$cache/debootstrap.log" >&2; return 1; }
  rm -rf "$target.new"/var/cache/apt/* "$target.new"/var/lib/apt/lists/* "$target.new"/usr/share/{doc,locale,man}/*
  mv "$target.new" "$target"
}

main "$@"
