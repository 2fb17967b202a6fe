#!/bin/bash
# Checks the layer with a release's own metadata: parsing, dependencies, yocto-check-layer. Nothing is built.
#   yocto/check-metadata.sh OE-CORE META-OPENEMBEDDED [LAYER...]
# OE-CORE is openembedded-core with bitbake/ in it, or poky; LAYER is meta-raspberrypi, meta-freescale, meta-rauc ... of
# the same branch. MACHINES ("qemuarm") are parsed one after the other, about a minute each; CHECK_LAYER=no leaves
# yocto-check-layer out (ten minutes). BUILD is the build directory (a temporary one). Not as root: bitbake refuses.
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,7s/^# //p' "$0"
    exit 2
fi
layer=$(cd "$(dirname "$0")/meta-evse" && pwd)
core=$(realpath "$1") oe=$(realpath "$2")
shift 2
others=()
for path in "$@"; do others+=("$(realpath "$path")"); done
build=${BUILD:-$(mktemp -d)}

echo '== modules and the parts of Python that hold them'
python3 "$layer/../rdepends" "$core/meta/recipes-devtools/python/python3/python3-manifest.json" "$layer"

export BBSERVER=
cd "$core"
set +u
# shellcheck source=/dev/null
. ./oe-init-build-env "$build" >/dev/null
set -u
for path in "$oe/meta-oe" "$oe/meta-python" "${others[@]}" "$layer"; do
    bitbake-layers add-layer "$path"
done
for machine in ${MACHINES:-qemuarm}; do
    echo "== $machine"
    MACHINE=$machine BB_ENV_PASSTHROUGH_ADDITIONS="MACHINE" bitbake -p
    MACHINE=$machine BB_ENV_PASSTHROUGH_ADDITIONS="MACHINE" bitbake -g evse-image >/dev/null
done
if [ "${CHECK_LAYER:-yes}" = yes ]; then
    echo '== yocto-check-layer'
    bitbake-layers remove-layer "$layer"
    yocto-check-layer "$layer" --dependency "$oe/meta-oe" "$oe/meta-python" --no-auto-dependency
fi
