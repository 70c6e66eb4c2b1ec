# Debian packages for the rigs of the tests; sourced by their install.sh, which sets $cache, a directory for the log.

# policy-rc.d keeps a package's service from starting while it is installed. Status 2: nothing can be installed here.
install_packages() {
  local missing=() package policy=/usr/sbin/policy-rc.d
  for package; do
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ! command -v apt-get >/dev/null || ((EUID)); then
    echo "install: as root, apt-get install --no-install-recommends ${missing[*]}" >&2
    return 2
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
