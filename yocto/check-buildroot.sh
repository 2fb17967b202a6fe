#!/bin/bash
# Checks the external tree with Buildroot's own: every defconfig keeps its lines, check-package, show-info.
#   yocto/check-buildroot.sh BUILDROOT [BOARD...]
# BUILDROOT is an unpacked 2025.02 or 2026.02; BOARD a name of configs/ without _evse_defconfig (all). Needs make, gcc,
# and for check-package `pip install python-magic flake8`. Nothing is built; a few seconds a board.
set -euo pipefail
if [ $# -lt 1 ] || [ "${1#-}" != "$1" ]; then
    sed -n '2,5s/^# //p' "$0"
    exit 2
fi
tree=$(cd "$(dirname "$0")/buildroot" && pwd)
for file in Config.in Makefile support/kconfig utils/check-package; do
    if [ ! -e "$1/$file" ]; then
        echo "${0##*/}: $1 is no Buildroot: it has no $file" >&2
        exit 2
    fi
done
buildroot=$(realpath "$1")
shift
output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT
wrong=0

boards=("$@")
if [ $# = 0 ]; then
    for file in "$tree"/configs/*_evse_defconfig; do
        name=${file##*/}
        boards+=("${name%_evse_defconfig}")
    done
fi
for board in "${boards[@]}"; do
    if [ ! -e "$tree/configs/${board}_evse_defconfig" ]; then
        echo "${0##*/}: there is no configs/${board}_evse_defconfig" >&2
        exit 2
    fi
    make -s -C "$buildroot" O="$output" BR2_EXTERNAL="$tree" "${board}_evse_defconfig" >/dev/null
    # An option that this release does not know, or that something else forbids, is dropped without a word: found here.
    lost=$(grep -vxFf "$output/.config" "$tree/configs/${board}_evse_defconfig" | grep -E '^(# )?BR2_' || true)
    if [ -n "$lost" ]; then
        printf 'FAILED  %s: not kept:\n%s\n' "$board" "$lost"
        wrong=1
    else
        echo "ok      $board"
    fi
done
if make -s -C "$buildroot" O="$output" BR2_EXTERNAL="$tree" evse-show-info | python3 -m json.tool >/dev/null; then
    echo "ok      show-info"
else
    echo "FAILED  show-info"
    wrong=1
fi
if "$buildroot/utils/check-package" -b "$tree"/{Config.in,external.mk,external.desc} "$tree"/package/evse/*; then
    echo "ok      check-package"
else
    echo "FAILED  check-package"
    wrong=1
fi
exit $wrong
