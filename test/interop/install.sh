#!/bin/bash
# Installs the rigs of the interop tests: Debian packages (as root), and into one directory outside the repository
# (KEYHOLE_INTEROP_CACHE, by default in the user's cache) the pinned Python packages, the Node client with its packages
# and the compiled Go and Java clients. Repeating it costs nothing. Arguments are names of further Debian packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=test/packages.sh
. "$here/../packages.sh"

main() {
  cache=${KEYHOLE_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keyhole-interop}
  mkdir -p "$cache"
  export PATH="$PATH:/usr/local/go/bin"

  local packages
  read -ra packages <<<"$(wanted_packages | tr '\n' ' ')"
  # What is not there is skipped, loudly, by the tests that need it.
  install_packages "$@" "${packages[@]}" || [[ $? = 2 ]]
  local failed=0
  install_python "$here/requirements.txt" "$cache/python" & local python=$!
  install_python "$here/elhaz.txt" "$cache/elhaz" & local elhaz=$!
  install_node & local node=$!
  install_go & local go=$!
  install_java & local java=$!
  wait $python || { echo "install: the Python packages failed" >&2; failed=1; }
  wait $elhaz || { echo "install: elhaz failed" >&2; failed=1; }
  wait $node || { echo "install: the Node client failed" >&2; failed=1; }
  wait $go || { echo "install: the Go client failed" >&2; failed=1; }
  wait $java || { echo "install: the Java client failed" >&2; failed=1; }
  return $failed
}

wanted_packages() {
  echo ca-certificates ceph-mon ceph-osd radosgw ceph-common awscli rclone restic ruby-aws-sdk-core ruby-aws-sdk-s3 python3 python3-venv util-linux
  command -v npm >/dev/null || echo nodejs npm
  command -v go >/dev/null || echo golang-go
  [[ -x /usr/bin/javac ]] || echo default-jdk-headless
  command -v mvn >/dev/null || echo maven
}

# install_python REQUIREMENTS TARGET: Debian's own Python, because one of pyenv's may lack modules.
install_python() {
  local python=python3
  [[ -x /usr/bin/python3 ]] && python=/usr/bin/python3
  cmp -s "$1" "$2/requirements.txt" && return 0
  rm -rf "$2"
  "$python" -m venv "$2"
  "$2/bin/pip" install -q --disable-pip-version-check --retries 5 -r "$1"
  cp "$1" "$2/requirements.txt"
}

# The SDK wants Node 20: where the machine's own is older, one comes from npm.
install_node() {
  local target=$cache/node
  mkdir -p "$target"
  cp "$here"/node/*.{mjs,cjs} "$target/"
  cmp -s "$here/node/package.json" "$target/installed.json" && return 0
  cp "$here/node/package.json" "$target/"
  local newer=()
  (($(node -p 'process.versions.node.split(".")[0]') >= 20)) || newer=(node@22)
  (cd "$target" && npm install --no-audit --no-fund --no-package-lock --loglevel=error "${newer[@]}")
  cp "$here/node/package.json" "$target/installed.json"
}

# GOTOOLCHAIN=local: Go must not fetch another Go. The modules are pinned by go.sum.
install_go() {
  local target=$cache/go
  mkdir -p "$target"
  cat "$here"/go/* | cmp -s - "$target/sources" && return 0
  (cd "$here/go" && GOTOOLCHAIN=local GOFLAGS=-mod=readonly CGO_ENABLED=0 go build -o "$target/client" .)
  cat "$here"/go/* >"$target/sources"
}

# Without Maven's lifecycle: its plugins are a hundred more downloads.
install_java() {
  local target=$cache/java
  mkdir -p "$target"
  cat "$here"/java/* | cmp -s - "$target/sources" && return 0
  rm -rf "${target:?}"/{lib,classes}
  mvn -B -q -Dstyle.color=never -f "$here/java/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$target/lib"
  /usr/bin/javac -cp "$target/lib/*" -d "$target/classes" "$here/java/Client.java"
  cat "$here"/java/* >"$target/sources"
}

main "$@"
