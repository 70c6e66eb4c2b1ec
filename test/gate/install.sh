#!/bin/bash
# Installs the rigs of the gate (as root, Debian packages) and makes the root file system of a Debian, once, in a
# directory outside the repository (KEYHOLE_GATE_CACHE, by default in the user's cache). Repeating it costs nothing.
set -euo pipefail

packages=(busybox-static bubblewrap debootstrap docker.io fuse-overlayfs podman runc runsc slirp4netns uidmap util-linux)

main() {
  cache=${KEYHOLE_GATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keyhole-gate}
  mkdir -p "$cache"
  install_packages
  make_debian
}

# policy-rc.d keeps a package's service from starting while it is installed.
install_packages() {
  local missing=() package policy=/usr/sbin/policy-rc.d
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ! command -v apt-get >/dev/null || ((EUID)); then
    echo "install: as root, apt-get install --no-install-recommends ${missing[*]}" >&2
    return 1
  fi
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt update -q
  apt install -q -y --no-install-recommends "${missing[@]}"
}

# Another session's apt may hold the lock, and a mirror may stumble.
apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" >"$cache/apt.log" 2>&1 ||
    { tail -n 20 "$cache/apt.log" >&2; return 1; }
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
