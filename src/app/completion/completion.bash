# The part of the script that does not depend on the commands; `valley completion bash` prints functions that list commands,
# options and values before it. In _valley_values, @file and @dir stand for paths, @keys for config keys.

# Sets `words` to the words up to the cursor, and rejoins those that readline split at =.
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

# Adds the words of $2 that start with $1 to COMPREPLY.
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
  # With -o filenames readline quotes special characters, but also the = of a key: only set it if there are paths.
  ((${#COMPREPLY[@]} == before)) || compopt -o filenames 2>/dev/null
}

# Values after = in the same word: readline completes only the part after it.
_valley_offer_after_equals() {
  local name=${1%%=*} i
  _valley_offer "${1#*=}" "$2"
  [[ $COMP_WORDBREAKS == *=* ]] && return
  for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=$name=${COMPREPLY[i]}; done
}

# Sets `path` to the command that the words name, and `option` to the option whose value is completed.
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
