#!/usr/bin/env bash
# Builds shards of the color emoji of Debian's fonts-noto-color-emoji: all glyphs that are not empty (3,926 in Debian 12), on
# white, at each RESOLUTION.
#
#   datasets/emoji.sh [RESOLUTION ...]        default: 32 64 256, as data/emoji-32, data/emoji-64, data/emoji-256
#
# Environment: VALLEY_BUILD  the build folder (default: build)
#              EMOJI_FONT    the font file (default: NotoColorEmoji.ttf in the usual font folders)
# Complete data sets are not built again.
set -euo pipefail
# These variables change the output of cd, the options of grep and the syntax of bash.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

readonly kValley="${VALLEY_BUILD:-build}/valley"
readonly kFont="${EMOJI_FONT:-NotoColorEmoji.ttf}"

if [[ ! -x "$kValley" ]]; then
  echo "emoji.sh: $kValley does not exist; build it with launch/build.sh valley, or set VALLEY_BUILD to the build folder" >&2
  exit 66
fi
if (($# == 0)); then set -- 32 64 256; fi
for resolution in "$@"; do
  if [[ ! "$resolution" =~ ^[1-9][0-9]{0,3}$ ]]; then
    echo "emoji.sh: \"$resolution\" is not a resolution; name whole numbers of pixels, such as 32 64 256" >&2
    exit 2
  fi
done
for resolution in "$@"; do
  data="data/emoji-$resolution"
  if [[ -f "$data/SHA256SUMS" ]]; then
    echo "$data is complete already"
    continue
  fi
  "$kValley" shard build --source "$kFont" --resolution "$resolution" --dest "$data" --overwrite
done
