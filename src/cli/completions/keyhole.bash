_keyhole() {
  local word description found=()
  COMPREPLY=()
  while IFS=$'\t' read -r word description; do
    found+=("$word")
    COMPREPLY+=("$word${description:+  ($description)}")
  done < <(keyhole completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  # Descriptions are for a list, not for what is put on the command line: one word, or each in turn (menu-complete).
  if ((${#found[@]} == 1)) || [[ $COMP_TYPE == 37 ]]; then COMPREPLY=("${found[@]}"); fi
  # Behind `AssumeRole.RoleArn=` comes its value.
  if [[ ${found-} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o default -F _keyhole keyhole
