# Completion for kraft-lab: jbang alias@kraft-lab, this repository's ./jbang alias, and what jbang app install has
# installed of it. For bash from 3.2, which macOS has, and for zsh, which then follows the rules of ksh.
if [[ -n ${ZSH_VERSION-} ]]; then
  whence compdef > /dev/null || { autoload -Uz compinit && compinit -i; }
  autoload -Uz bashcompinit && bashcompinit
fi

_kraft_lab_aliases=' @ALIASES@ '

_kraft_lab_options() {
  _kraft_lab_reply=
  case $1 in
    # @OPTIONS@
  esac
}

_kraft_lab_values() {  # of an alias's option, of its first argument (''), and of further ones (+)
  _kraft_lab_reply=
  case $1 in
    # @VALUES@
  esac
}

_kraft_lab_ask() {  # what there is now; the answer is kept for five seconds
  if [[ ${_kraft_lab_asked-} != "$1 $2" ]] || ((SECONDS - _kraft_lab_at > 5)); then
    _kraft_lab_answer=$(@ASK@ $1 --timeout 1s $2 2> /dev/null < /dev/null)
    _kraft_lab_asked="$1 $2" _kraft_lab_at=$SECONDS
  fi
  _kraft_lab_reply=$_kraft_lab_answer
}

# The variables of the next four functions are those of _kraft_lab, which calls them.

_kraft_lab_read_word() {  # one of those before the cursor
  if [[ -z $command ]]; then
    command=$word
    case " ${_kraft_lab_installed-} " in
      *" ${word##*/}="*) alias=${_kraft_lab_installed#*" ${word##*/}="} alias=${alias%% *} ;;
    esac
  elif [[ -z $alias ]]; then
    [[ $word != run && $word != -* ]] || return 0
    alias=${word%@kraft-lab}
    [[ $_kraft_lab_aliases == *" $alias "* ]] || alias= other=yes
  elif [[ -n $option ]]; then
    case $option in
      -b | --bootstrap-server | --command-config | --data-dir | --runtime) reach="$reach $option $word" ;;
    esac
    option=
  else
    case $word in
      -*=*) ;;
      [!-]*) positional=+ ;;
      *)
        _kraft_lab_values "$alias" "$word"
        [[ -z $_kraft_lab_reply ]] || option=$word value=$_kraft_lab_reply ;;
    esac
  fi
}

_kraft_lab_offer_aliases() {
  [[ -z ${_kraft_lab_before-} ]] || $_kraft_lab_before "$@"
  [[ -z $other ]] || return 0  # it is not one of ours
  for word in ${_kraft_lab_aliases}; do
    [[ $command == */* ]] || word=$word@kraft-lab
    candidates="$candidates $word"
  done
}

_kraft_lab_offer() {  # the candidates for a word of _kraft_lab_values
  case $1 in
    @none) ;;
    @files) compopt -o default 2> /dev/null ;;
    @dirs) compopt -o dirnames 2> /dev/null ;;
    @targets)
      if [[ $cur == leader:* ]]; then
        _kraft_lab_ask partitions "$reach"
        for word in $_kraft_lab_reply; do candidates="$candidates leader:$word"; done
      else
        _kraft_lab_ask nodes "$reach"
        candidates="$candidates $_kraft_lab_reply controller random all leader:"
      fi ;;
    @*)
      _kraft_lab_ask "${1#@}" "$reach"
      candidates="$candidates $_kraft_lab_reply" ;;
    *) candidates="$candidates $1" ;;
  esac
}

_kraft_lab_reply_with_candidates() {
  local more=
  [[ ${cur#"$prefix"} != *,* ]] || prefix=${cur%,*},
  for word in $candidates; do [[ $prefix$word != "$cur"* ]] || COMPREPLY+=("$prefix$word"); done
  [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *: ]] || compopt -o nospace 2> /dev/null
  # To bash these characters begin a new word, and it replaces that one only.
  if [[ -n ${BASH_VERSION-} && $cur == *[@:=]* ]]; then
    word=${cur##*[@:=]} more=${cur%"$word"}
    [[ $COMP_WORDBREAKS == *"${more:${#more}-1}"* ]] || return 0
    for ((word = 0; word < ${#COMPREPLY[@]}; ++word)); do COMPREPLY[word]=${COMPREPLY[word]#"$more"}; done
  fi
}

_kraft_lab() {
  [[ -z ${ZSH_VERSION-} ]] || emulate -L ksh
  local line=${COMP_LINE:0:$COMP_POINT} rest cur word command= alias= option= value= positional= reach= other=
  local what= each candidates= prefix=
  COMPREPLY=()
  cur=${line##*[[:space:]]}
  rest=${line%"$cur"}
  while [[ $rest == *[![:space:]]* && -z $other ]]; do
    rest=${rest#"${rest%%[![:space:]]*}"} word=${rest%%[[:space:]]*} rest=${rest#"${rest%%[[:space:]]*}"}
    _kraft_lab_read_word
  done
  if [[ -z $alias ]]; then
    _kraft_lab_offer_aliases "$@"
    [[ -z $other ]] || return 0
  elif [[ -n $option ]]; then
    what=$value
  elif [[ $cur == --*=* ]]; then
    prefix=${cur%%=*}=
    _kraft_lab_values "$alias" "${cur%%=*}"
    what=$_kraft_lab_reply
  elif [[ $cur == -* ]]; then
    _kraft_lab_options "$alias"
    candidates=$_kraft_lab_reply
  else
    _kraft_lab_values "$alias" "$positional"
    what=$_kraft_lab_reply
  fi
  for each in $what; do _kraft_lab_offer "$each"; done
  _kraft_lab_reply_with_candidates
  return 0
}

_kraft_lab_register() {
  local file text other= how=
  type compopt > /dev/null 2>&1 || how='-o default'  # then files are offered everywhere
  [[ -z ${ZSH_VERSION-} ]] || emulate -L ksh
  if [[ -n ${BASH_VERSION-} ]]; then
    other=$(complete -p jbang 2> /dev/null)
    case $other in
      *_kraft_lab*) ;;
      *'-F '*) other=${other##*-F } _kraft_lab_before=${other%% *} ;;
    esac
  fi
  complete $how -F _kraft_lab jbang
  _kraft_lab_installed=' '
  for file in "${JBANG_DIR:-$HOME/.jbang}"/bin/*; do
    [[ -f $file ]] || continue
    text=$(head -c 1000 "$file" 2> /dev/null | tr -d '\000')
    case $text in *' run '*@kraft-lab*) ;; *) continue ;; esac
    text=${text##* run } text=${text%%@*}
    [[ $_kraft_lab_aliases == *" $text "* ]] || continue
    _kraft_lab_installed="$_kraft_lab_installed${file##*/}=$text "
    complete $how -F _kraft_lab "${file##*/}"
  done
}
_kraft_lab_register
