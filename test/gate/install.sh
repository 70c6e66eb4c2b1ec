#!/bin/bash
# Installs the rigs of the gate (as root, Debian packages) and makes the root file system of a Debian that has Python,
# boto3 and the AWS CLI, once, in a directory outside the repository (KEYHOLE_GATE_CACHE, by default in the user's
# cache). Repeating it costs nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=test/packages.sh
. "$here/../packages.sh"

packages=(
  bsdutils busybox-static bubblewrap debootstrap docker.io firejail fuse-overlayfs gcc libc6-dev podman
  python3-venv ripgrep runc slirp4netns socat systemd systemd-container uidmap util-linux
)
# sandbox-runtime is Claude Code's sandbox.
agents=(
  @anthropic-ai/sandbox-runtime@0.0.78 @openai/codex@0.171.0 @anthropic-ai/claude-code@2.1.197
  @devcontainers/cli@0.89.0 @google/gemini-cli@0.61.0
)
modules=(
  github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0 github.com/Use-Tusk/fence/cmd/fence@v0.1.5
  # Of its branch `go`, whose name no proxy of modules resolves.
  gvisor.dev/gvisor/runsc@v0.0.0-20260905035102-160fafc42237
)
compose=github.com/docker/compose/v2@v2.40.3
# Its source says what a manifest may have.
kubernetes=k8s.io/kubernetes@v1.34.4
# Of the packages that test/interop pins, those that the AWS CLI imports.
sdk='^(awscli|boto3|botocore|colorama|docutils|jmespath|pyasn1|python-dateutil|PyYAML|rsa|s3transfer|six|urllib3)=='

main() {
  cache=${KEYHOLE_GATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keyhole-gate}
  mkdir -p "$cache"
  command -v npm >/dev/null || packages+=(nodejs npm)
  command -v go >/dev/null || packages+=(golang-go)
  install_packages "${packages[@]}"
  # Each waits for the mirror most of the time.
  make_debian &
  local debian=$!
  install_agents &
  local programs=$!
  install_go &
  local go=$!
  make_systemd
  wait "$debian"
  wait "$programs"
  wait "$go"
  # A kubelet was built as a module of its own, with each k8s.io/X replaced by its v0.34.4, in 419 s of the CPU. The command
  # nono is 524 crates, and its lock file names a version that is not served here.
  echo "not run by the gate, since they take longer than two minutes to build: nono, a kubelet"
}

# Programs of coding agents, of which the tests want no model and no login.
install_agents() {
  local target=$cache/agents
  [[ $(cat "$target/pins.txt" 2>/dev/null) == "${agents[*]}" ]] && return 0
  rm -rf "$target"
  mkdir -p "$target"
  (cd "$target" && npm install --no-audit --no-fund --no-package-lock --loglevel=error "${agents[@]}")
  echo "${agents[*]}" >"$target/pins.txt"
}

# Of those that are written in Go each is built once.
install_go() {
  local target=$cache/go
  [[ $(cat "$target/pins.txt" 2>/dev/null) == "$kubernetes $compose ${modules[*]}" ]] && return 0
  rm -rf "$target"
  mkdir -p "$target"
  local module
  cp "$(go mod download -json "$kubernetes" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')/api/openapi-spec/swagger.json" "$target/kubernetes.json"
  # gVisor and Compose take two minutes of the CPU each, while the suites before the gate run.
  for module in "${modules[@]}"; do CGO_ENABLED=0 GOBIN="$target/bin" nice go install "$module"; done
  build_compose "$target"
  echo "$kubernetes $compose ${modules[*]}" >"$target/pins.txt"
}

# Its go.mod excludes versions of other modules, which `go install` takes from the module alone that it is called in.
build_compose() {
  local path=${compose%@*} version=${compose#*@}
  mkdir "$1/compose"
  cd "$1/compose" || return 1
  { go mod init rig && go get "$path/cmd@$version"; } >go.log 2>&1 || { tail -n 20 go.log >&2; return 1; }
  CGO_ENABLED=0 nice go build -ldflags "-X $path/internal.Version=$version" -o "$1/bin/docker-compose" "$path/cmd"
  cd - >/dev/null || return 1
}

# From the mirror that this machine's apt uses; moved into place when it is whole, and made again when the pins change.
make_debian() {
  local target=$cache/debian new=$cache/debian.new pins=$cache/sdk.txt codename mirror
  grep -E "$sdk" "$here/../interop/requirements.txt" >"$pins"
  cmp -s "$pins" "$target/opt/sdk.txt" && return 0
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format "\$(SITE)" 'Created-By: Packages' "Codename: $codename" | head -n 1)
  rm -rf "$new"
  debootstrap --variant=minbase --include=python3 "$codename" "$new" "$mirror" >"$cache/debootstrap.log" 2>&1 ||
    { tail -n 20 "$cache/debootstrap.log" >&2; return 1; }
  rm -rf "$new"/var/cache/apt/* "$new"/var/lib/apt/lists/* "$new"/usr/share/{doc,locale,man}/*
  add_sdk "$new" "$pins"
  cp "$pins" "$new/opt/"
  rm -rf "$target"
  mv "$new" "$target"
}

# A Debian that boots: systemd as its first process, and logins.
make_systemd() {
  local target=$cache/systemd new=$cache/systemd.new codename mirror
  local include=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd
  [[ -e $target ]] && return 0
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format "\$(SITE)" 'Created-By: Packages' "Codename: $codename" | head -n 1)
  rm -rf "$new"
  debootstrap --variant=minbase --include=$include "$codename" "$new" "$mirror" >"$cache/systemd.log" 2>&1 ||
    { tail -n 20 "$cache/systemd.log" >&2; return 1; }
  rm -rf "$new"/var/cache/apt/* "$new"/var/lib/apt/lists/* "$new"/usr/share/{doc,locale,man}/*
  mv "$new" "$target"
}

# The machine's Python is the root's: both are of one release of Debian.
add_sdk() {
  local root=$1 pins=$2 packages
  [[ -x $cache/pip/bin/pip ]] || /usr/bin/python3 -m venv "$cache/pip"
  packages=$(echo "$root"/usr/local/lib/python3.*/dist-packages)
  "$cache/pip/bin/pip" install -q --disable-pip-version-check --retries 5 --no-deps --target "$packages" -r "$pins"
  sed '1s|.*|#!/usr/bin/python3|' "$packages/bin/aws" >"$root/usr/local/bin/aws"
  chmod 755 "$root/usr/local/bin/aws"
  rm -rf "${packages:?}/bin" "$packages/awscli/examples"
}

main "$@"
