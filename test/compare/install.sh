#!/bin/bash
# Installs what keyhole is compared with, each pinned, into a directory outside the repository
# (KEYHOLE_COMPARE_CACHE, by default in the user's cache). Repeating it costs nothing. What cannot be installed is said,
# and left out by main.ts.
set -uo pipefail
cache=${KEYHOLE_COMPARE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keyhole-compare}
mkdir -p "$cache/bin"
export PATH="$PATH:/usr/local/go/bin"

# with_pip NAME PACKAGE==VERSION PROGRAM
with_pip() {
  [[ -x $cache/bin/$1 ]] && return
  local python=python3
  [[ -x /usr/bin/python3 ]] && python=/usr/bin/python3
  { "$python" -m venv "$cache/$1" && "$cache/$1/bin/pip" install -q --disable-pip-version-check "$2"; } >&2 &&
    ln -sf "$cache/$1/bin/$3" "$cache/bin/$1" || echo "install: $1 failed" >&2
}

# with_go NAME MODULE@VERSION PACKAGE: built in the module's own directory, so that its go.sum holds.
with_go() {
  [[ -x $cache/bin/$1 ]] && return
  local directory
  directory=$(go mod download -json "$2" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  (cd "$directory" && GOFLAGS=-mod=readonly GOTOOLCHAIN=local CGO_ENABLED=0 go build -o "$cache/bin/$1" "$3") ||
    echo "install: $1 failed" >&2
}

with_pip elhaz elhaz==0.5.6 elhaz
# Version 1, which pip has, cannot print credentials.
[[ -x /usr/bin/aws ]] || apt-get install -qq -y --no-install-recommends awscli >&2
with_go aws-vault github.com/99designs/aws-vault/v7@v7.2.0 .
with_go granted github.com/common-fate/granted@v0.38.0 ./cmd/granted
