# What stays the same whatever the commands are; `valley completion bash` puts before it the functions that say what there
# is. Words of _valley_values that start with @ stand for what bash knows, @file and @dir, and @keys for config keys.

# The words up to the cursor in `words`, with what readline split at = put together again.
_valley_split() {
  local i word join=0
  words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((i > 1)) && { ((join)) || [[ $word == =* ]]; }; then
      words[${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    join=0
    [[ $word == *= ]] && join=1
  done
}

# Adds to COMPREPLY what of the words $2 continues $1.
_valley_offer() {
  local word
  for word in $2; do
    case $word in
      @file) _valley_offer_paths "$1" file ;;
      @dir) _valley_offer_paths "$1" directory ;;
      @keys) _valley_offer "$1" "$(_valley_keys)" ;;
      *) [[ $word != "$1"* ]] || COMPREPLY+=("$word") ;;
    esac
  done
}

_valley_offer_paths() {
  local before=${#COMPREPLY[@]}
  mapfile -t -O "$before" COMPREPLY < <(compgen -A "$2" -- "$1")
  # Told that they are paths, readline quotes what a shell needs quoted, and also the = of a lone key: only where there are.
  ((${#COMPREPLY[@]} == before)) || compopt -o filenames 2>/dev/null
}

# Values after a = in the same word: readline takes the part after it for the whole word.
_valley_offer_after_equals() {
  local name=${1%%=*} i
  _valley_offer "${1#*=}" "$2"
  [[ $COMP_WORDBREAKS == *=* ]] && return
  for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=$name=${COMPREPLY[i]}; done
}

# The command that the words lead to in `path`, and in `option` the one that the current word is the value of.
_valley_walk() {
  local i word
  path=valley option=''
  for ((i = 1; i < ${#words[@]} - 1; i++)); do
    word=${words[i]}
    if [[ -n $option && $word != -* ]]; then
      option=''
    elif [[ " $(_valley_commands "$path") " == *" $word "* ]]; then
      path+=" $word"
    elif [[ $word == -* && $word != *=* ]] && _valley_values "$path" "$word" >/dev/null; then
      option=$word
    else
      option=''
    fi
  done
}

_valley() {
  local words path option current
  COMPREPLY=()
  _valley_split
  _valley_walk
  current=${words[${#words[@]} - 1]}
  if [[ $current == -*=* ]]; then
    _valley_offer_after_equals "$current" "$(_valley_values "$path" "${current%%=*}")"
  elif [[ $current == -* ]]; then
    _valley_offer "$current" "$(_valley_options "$path")"
  elif [[ -n $option ]]; then
    _valley_offer "$current" "$(_valley_values "$path" "$option")"
  elif [[ $current == *=* && " $(_valley_values "$path" '') " == *" @keys "* ]]; then
    _valley_offer_after_equals "$current" "$(_valley_key_values "${current%%=*}")"
  else
    _valley_offer "$current" "$(_valley_commands "$path") $(_valley_values "$path" '')"
  fi
  [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}

complete -o bashdefault -o default -F _valley valley
