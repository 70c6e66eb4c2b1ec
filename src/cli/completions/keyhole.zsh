#compdef keyhole
_keyhole() {
  local line
  local -a found ends
  for line in "${(@f)$(keyhole completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] || continue
    found+=("${line%%$'\t'*}:${line#*$'\t'}")
    # Behind `AssumeRole.RoleArn=` comes its value.
    [[ $line != *=$'\t'* ]] || ends=(-S '')
  done
  if (($#found)); then _describe keyhole found $ends; else _files; fi
}
# As the file _keyhole in a directory of fpath it is run for the first completion, and has to give that one.
if [[ ${funcstack[1]} = _keyhole ]]; then _keyhole "$@"; else compdef _keyhole keyhole; fi
