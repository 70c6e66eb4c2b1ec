#!/bin/sh
# Installs keyhole, a local broker for short-lived AWS credentials: one executable, in ~/.local/bin.
#
#   curl -fsSL BASE/install.sh | sh
#   curl -fsSL BASE/install.sh | KEYHOLE_VERSION=0.2.0 sh -s -- --completions
#   KEYHOLE_BASE_URL=file:///srv/keyhole KEYHOLE_INSTALL_DIR=/opt/bin ./install.sh
#
#   KEYHOLE_INSTALL_DIR  directory of the executable (default: ~/.local/bin)
#   KEYHOLE_VERSION      a release, newer or older than what is there (default: latest)
#   KEYHOLE_BASE_URL     the releases, at https://, http:// or file:///: BASE/latest/ and BASE/v0.2.0/ each hold
#                        SHA256SUMS and keyhole-{linux,darwin}-{x64,arm64}, where gzip is here as .gz
#
# In a checkout, with neither of the last two set, it builds with npm. It needs curl or wget, and sha256sum, shasum or
# openssl; no sudo. It edits no file of yours. What was there stays until the new executable is complete, has the right
# SHA-256 and runs. The braces make the shell read all before it runs any: a script that was cut does nothing.
{
base_url='@BASE_URL@' # a release has its address here

main() {
  set -eu
  action=install completions=no restart=no purge=no temporary=''
  elsewhere='export KEYHOLE_INSTALL_DIR=/another/directory'
  for word; do
    case $word in
      --completions) completions=yes ;;
      --restart) restart=yes ;;
      --uninstall) action=uninstall ;;
      --purge) purge=yes ;;
      -h | --help)
        echo "usage: install.sh [--completions] [--restart] [--uninstall [--purge]]"
        echo "  --completions  also write the completion files of bash, zsh and fish"
        echo "  --restart      have a daemon that runs the old executable run the new one"
        echo "  --uninstall    end daemon and service, remove all that was installed, leave ~/.keyhole"
        echo "  --purge        with --uninstall: remove ~/.keyhole, too, with its configs and grants"
        echo "variables: KEYHOLE_INSTALL_DIR (~/.local/bin), KEYHOLE_VERSION (latest), KEYHOLE_BASE_URL"; exit ;;
      *) fail "unknown option $word" "sh install.sh --help" 2 ;;
    esac
  done
  [ "$purge$action" != yesinstall ] || fail "--purge goes with --uninstall" "sh install.sh --uninstall --purge" 2
  [ -n "${HOME:-}" ] || fail "HOME is not set" "export HOME=/path/to/your/home"
  directory=${KEYHOLE_INSTALL_DIR:-$HOME/.local/bin}
  case $directory in /*) ;; *) directory=$PWD/$directory ;; esac
  directory=${directory%/} executable=${directory%/}/keyhole data=${XDG_DATA_HOME:-$HOME/.local/share}
  bash_file=$data/bash-completion/completions/keyhole zsh_file=$data/zsh/site-functions/_keyhole
  home=${KEYHOLE_HOME:-$HOME/.keyhole}
  fish_file=${XDG_CONFIG_HOME:-$HOME/.config}/fish/completions/keyhole.fish
  man_file=${directory%/*}/share/man/man1/keyhole.1
  if [ "$action" = install ]; then install_keyhole; else uninstall_keyhole; fi
}

install_keyhole() {
  trap '[ -z "$temporary" ] || rm -f "$temporary" "$temporary.gz"' EXIT
  trap 'exit 130' HUP INT TERM
  [ ! -d "$executable" ] || fail "$executable is a directory" "$elsewhere"
  if is_checkout; then build; else find_release; fi
  if [ -x "$executable" ] && [ "${expected:-none}" = "$(sum_of "$executable")" ]; then
    version="$("$executable" --version </dev/null), as before," || fail "$executable does not run here" "$elsewhere"
  else
    create_beside "$executable"
    if [ -n "$packed" ]; then
      get "$source.gz" "$packed" "$temporary.gz"
      gzip -dc "$temporary.gz" >"$temporary" 2>/dev/null || fail_unpacking
      rm -f "$temporary.gz"
      check "$source" "$expected" "$temporary"
    else get "$source" "$expected" "$temporary"; fi
    chmod 755 "$temporary"
    version=$("$temporary" --version </dev/null) || fail "what came from $source does not run here" "$elsewhere"
    mv -f "$temporary" "$executable" || fail "cannot replace $executable" "$elsewhere"
  fi
  say "$version is installed: $executable"
  next=keyhole
  [ "$(command -v keyhole || :)" = "$executable" ] || { next=$(quote "$executable")
    say "to find it by name, add to your shell's start-up file: export PATH=$(quote "$directory"):\"\$PATH\""; }
  # Not of a release that has no manual, nor beside a directory where man does not look, or nothing can be written.
  if [ "${directory##*/}" = bin ] && "$executable" help --man </dev/null >/dev/null 2>&1 &&
    mkdir -p "${man_file%/*}" 2>/dev/null && [ -w "${man_file%/*}" ]; then write_output "$man_file" help --man; fi
  if [ "$completions" = yes ]; then
    complete_in bash "$bash_file"
    complete_in zsh "$zsh_file"
    complete_in fish "$fish_file"
    is_in_fpath ||
      say "to have zsh look there, add to ~/.zshrc, above compinit: fpath=($(quote "${zsh_file%/*}") \$fpath)"
  fi
  # What the status of a daemon says that is older than the executable.
  case $("$executable" daemon status </dev/null 2>&1)$restart in
    *'keyhole daemon restart'*yes) "$executable" daemon restart </dev/null ;;
    *'keyhole daemon restart'*) say "a daemon still runs the old executable; to change that: keyhole daemon restart" ;;
    *) say "next: $next    # shows what is there, and what to do" ;;
  esac
}

# Asked without the files of its user, which are only read.
is_in_fpath() {
  has zsh || return 0
  # shellcheck disable=SC2016 # zsh's variable
  case $(zsh -fc 'print -rl -- $fpath' </dev/null 2>/dev/null; cat "${ZDOTDIR:-$HOME}/.zshrc" 2>/dev/null) in
    *"${zsh_file%/*}"* | *'.local/share/zsh/site-functions'*) ;;
    *) false ;;
  esac
}

# A script with an address never builds what happens to lie beside it.
is_checkout() {
  case $0 in */*) root=${0%/*} ;; *) root=. ;; esac
  [ -z "${base_url##@*}${KEYHOLE_BASE_URL:-}${KEYHOLE_VERSION:-}" ] &&
    [ "${0##*/}" = install.sh ] && [ -f "$root/src/main.ts" ] && [ -f "$root/package.json" ]
}

build() {
  has npm || fail "npm is needed for the build, and is not here" "export KEYHOLE_BASE_URL=https://..."
  root=$(cd "$root" && pwd)
  (cd "$root" && npm ci --no-audit --no-fund && npm run build) </dev/null >&2 ||
    fail "the build failed" "cd $(quote "$root") && npm ci && npm run build"
  base=file://$root/dist source=file://$root/dist/keyhole expected=$(sum_of "$root/dist/keyhole") packed=''
}

find_release() {
  base=${KEYHOLE_BASE_URL:-${base_url##@*}} release=${KEYHOLE_VERSION:-latest}
  case $base in https://* | http://* | file:///*) ;; *) base='' ;; esac
  [ -n "$base" ] || fail "no address of releases here or in KEYHOLE_BASE_URL" "export KEYHOLE_BASE_URL=https://..."
  [ "$release" = latest ] || release=v${release#v}
  # Under Rosetta an arm64 is called x86_64; this sysctl, which macOS alone has, is 1 there.
  case $(uname -sm)$(sysctl -n sysctl.proc_translated 2>/dev/null) in
    'Linux x86_64') name=keyhole-linux-x64 ;;
    'Linux aarch64' | 'Linux arm64') name=keyhole-linux-arm64 ;;
    'Darwin arm64'* | 'Darwin x86_641') name=keyhole-darwin-arm64 ;;
    'Darwin x86_64'*) name=keyhole-darwin-x64 ;;
    *) fail "there is no keyhole for $(uname -sm)" "uname -a" ;;
  esac
  has curl || has wget || [ "${base#file:}" != "$base" ] || fail "neither curl nor wget is here" "install curl"
  has sha256sum || has shasum || has openssl || fail "neither sha256sum, shasum nor openssl is here" "install openssl"
  base=${base%/}/$release
  source=$base/$name
  sums=$(fetch "$base/SHA256SUMS" -sS) || fail "cannot download $base/SHA256SUMS" "check the address: $base"
  expected=$(sum_for "$name") packed=$(! has gzip || sum_for "$name.gz")
  [ -n "$expected" ] || fail "$base/SHA256SUMS has no line for $name" "export KEYHOLE_VERSION=0.2.0"
}

get() { # URL, SHA-256, FILE
  say "getting $1"
  if [ -t 2 ]; then progress=-#; else progress=-sS; fi
  if ! fetch "$1" "$progress" >"$3"; then
    printf '%65536s' '' 2>/dev/null >>"$3" || fail "no room in $directory" "df -h $(quote "$directory")"
    fail "cannot download $1" "check the address: $base"
  fi
  check "$@"
}

fail_unpacking() {
  printf '%65536s' '' 2>/dev/null >>"$temporary" || fail "no room in $directory" "df -h $(quote "$directory")"
  fail "gzip cannot unpack $temporary.gz" "gzip --version"
}

check() { # URL, SHA-256, FILE
  sum=$(sum_of "$3"); [ "${2:-$sum}" = "$sum" ] || fail "$1 has the wrong SHA-256: $sum, not $2" "run this again"
}

# curl follows no redirection from https to http; wget cannot be told so, and is what remains without curl.
fetch() { # URL, curl's option for progress
  if [ "${1#file://}" != "$1" ]; then cat "${1#file://}"
  elif has curl; then curl -fL "$2" --proto "=https,${1%%:*}" --connect-timeout 20 --speed-limit 1 --speed-time 60 "$1"
  else wget -q -t 2 -O - "$1"; fi
}

sum_of() { # FILE
  { sha256sum || shasum -a 256 || openssl dgst -sha256 -r; } <"$1" 2>/dev/null | { read -r sum _ || :; echo "$sum"; }
}

sum_for() { # NAME, of a file in SHA256SUMS
  echo "$sums" | while read -r sum file; do [ "${file#\*}" != "$1" ] || { echo "$sum"; break; }; done
}

create_beside() { # FILE
  mkdir -p "${1%/*}" 2>/dev/null || fail "cannot make the directory ${1%/*}" "$elsewhere"
  temporary=$(mktemp "${1%/*}/.keyhole.XXXXXX" 2>/dev/null) || fail "cannot write to ${1%/*}" "$elsewhere"
}

daemon_runs() { "$executable" daemon status </dev/null >/dev/null 2>&1; }

complete_in() { # SHELL, FILE
  write_output "$2" completion "$1"
  say "completion for $1 is installed: $2"
}

write_output() { # FILE, words of keyhole
  file=$1
  shift
  create_beside "$file"
  "$executable" "$@" </dev/null >"$temporary" || fail "cannot write $file" "df -h $(quote "${file%/*}")"
  chmod 644 "$temporary"
  mv -f "$temporary" "$file" || fail "cannot replace $file" "ls -ld $(quote "$file")"
}

uninstall_keyhole() {
  if [ -x "$executable" ]; then
    # A grant may have files outside of keyhole's home.
    if [ "$purge" = yes ] && daemon_runs; then
      for grant in $("$executable" grant list --names </dev/null); do
        "$executable" grant remove --yes "$grant" </dev/null || :
      done
    fi
    service=$("$executable" service uninstall </dev/null 2>&1) || :
    case $service in '' | *' is not installed') ;; *) say "$service" ;; esac
    if daemon_runs; then "$executable" daemon stop </dev/null || :; fi
  fi
  for file in "$executable" "$man_file" "$bash_file" "$zsh_file" "$fish_file"; do
    [ -e "$file" ] || continue
    rm -f "$file" || fail "cannot remove $file" "ls -ld $(quote "$file")"
    say "removed $file"
  done
  [ -d "$home" ] || return 0
  # Grants lie in a directory that cannot be listed, and so not be removed.
  [ ! -d "$home/g" ] || [ -L "$home/g" ] || chmod 700 "$home/g" || :
  [ "$purge" = yes ] || say "your configs stay in $home; to remove them, too: rm -rf $(quote "$home")"
  [ "$purge" = no ] || purge_home
  case $(cat "${AWS_CONFIG_FILE:-$HOME/.aws/config}" 2>/dev/null) in
    *keyhole*) say "lines that name keyhole stay in ${AWS_CONFIG_FILE:-$HOME/.aws/config}" ;;
  esac
}

# Nothing but what keyhole makes: KEYHOLE_HOME may have other files, as may a bin in it. No link is followed.
purge_home() {
  until [ "$home" = "${home%/}" ]; do home=${home%/}; done
  own=$(CDPATH='' cd -P -- "$HOME" && pwd -P) || fail "HOME is no directory" "export HOME=/path/to/your/home"
  CDPATH='' cd -P -- "${home:-/}" || fail "cannot enter $home" "ls -ld $(quote "$home")"
  case $own/ in "${PWD%/}"/*) fail "$home is more than keyhole's, and stays" "ls $(quote "$home")" ;; esac
  [ ! -L "$home" ] || fail "$home is a symbolic link, and stays" "ls -ld $(quote "$home")"
  for each in * .[!.]* ..?*; do
    case $each in
      configs | g | grants | sock | bin | logs | run | run.yaml | shared.yaml) [ ! -L "$each" ] || rm -f "$each" ;;
      *) if [ -e "$each" ] || [ -L "$each" ]; then others; fi ;;
    esac
  done
  for each in configs grants; do rm -rf "$each"/*.yaml "$each"/.*.yaml.*; done
  rm -rf g run.yaml shared.yaml grants/*.revoked grants/.lock sock/daemon.* sock/.daemon.* bin/keyhole-* \
    bin/.keyhole-* logs/daemon.log* logs/audit.jsonl* run/*.config run/.*.config.* run/credentials run/.credentials.* \
    run/sessions*.json run/.sessions*.json.* run/bridge-* run/edit-* run/g
  for each in configs grants sock bin logs run; do ! is_empty "$each" || rm -rf "$each"; done
  is_empty . || others
  { cd / && rm -rf "$home"; } || fail "cannot remove $home" "ls -la $(quote "$home")"
  say "removed $home"
}
others() { fail "$home has files that are not keyhole's, and stays" "ls -la $(quote "$home")"; }

is_empty() { # DIRECTORY
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do if [ -e "$entry" ] || [ -L "$entry" ]; then return 1; fi; done
}

quote() { # WORD, as a shell reads it back
  rest=$1 quoted=''
  while [ "${rest#*\'}" != "$rest" ]; do quoted=$quoted${rest%%\'*}"'\\''"; rest=${rest#*\'}; done
  case $1 in *[!A-Za-z0-9_./+:@%,=-]*) printf "'%s'" "$quoted$rest" ;; *) printf %s "$1" ;; esac
}

say() { printf '%s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }
fail() { # MESSAGE, HINT, STATUS
  say "keyhole: error: $1"
  say "keyhole: hint: $2"
  exit "${3:-1}"
}

main "$@"; exit; }
