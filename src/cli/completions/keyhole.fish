function __keyhole
  set -l words (commandline -opc)
  set -e words[1]
  set -l current (commandline -ct)
  set -l found (keyhole completion words -- $words "$current" 2>/dev/null)
  if set -q found[1]
    printf '%s\n' $found
  else
    __fish_complete_path "$current"
  end
end
complete -c keyhole -f -a '(__keyhole)'
