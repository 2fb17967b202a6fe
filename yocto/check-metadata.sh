#!/bin/bash
# Checks the layer with a release's own metadata: parsing, dependencies, yocto-check-layer. Nothing is built.
#   yocto/check-metadata.sh OE-CORE META-OPENEMBEDDED [LAYER...]
# OE-CORE is openembedded-core with bitbake/ in it, or poky; LAYER is meta-raspberrypi, meta-freescale, meta-rauc ... of
# the same branch. MACHINES ("qemuarm") are parsed one after the other, about a minute each; CHECK_LAYER=no leaves
# yocto-check-layer out (ten minutes). BUILD is the build directory (a temporary one). Not as root: bitbake refuses.
set -euo pipefail
if [ $# -lt 2 ] || [ "${1#-}" != "$1" ]; then
    sed -n '2,7s/^# //p' "$0"
    exit 2
fi
wrong() {
    echo "${0##*/}: $1" >&2
    exit 2
}
layer=$(cd "$(dirname "$0")/meta-evse" && pwd)
manifest=meta/recipes-devtools/python/python3/python3-manifest.json
for file in oe-init-build-env bitbake/bin/bitbake $manifest; do
    [ -e "$1/$file" ] || wrong "$1 is no openembedded-core with bitbake: it has no $file"
done
for name in meta-oe meta-python; do
    [ -e "$2/$name/conf/layer.conf" ] || wrong "$2 is no meta-openembedded: it has no $name/conf/layer.conf"
done
core=$(realpath "$1") oe=$(realpath "$2")
shift 2
others=()
for path in "$@"; do
    [ -e "$path/conf/layer.conf" ] || wrong "$path is no layer: it has no conf/layer.conf"
    others+=("$(realpath "$path")")
done
[ "$(id -u)" != 0 ] || [ -n "${CHECK_AS_ROOT:-}" ] || wrong "bitbake refuses to run as root"
build=${BUILD:-$(mktemp -d)}

echo '== modules and the parts of Python that hold them'
python3 "$layer/../rdepends" "$core/$manifest" "$layer"

export BBSERVER=
cd "$core"
set +u
# shellcheck source=/dev/null
. ./oe-init-build-env "$build" >/dev/null
set -u
for path in "$oe/meta-oe" "$oe/meta-python" "${others[@]}" "$layer"; do
    bitbake-layers add-layer "$path"
done
# With these the recipes for updates are parsed as well; nothing is signed.
cat >"$build/evse-check.conf" <<END
EVSE_VERSION = "1.0.0"
EVSE_KEYRING = "$build/evse-check.conf"
EVSE_SIGNING_KEY = "$build/evse-check.conf"
EVSE_SIGNING_CERT = "$build/evse-check.conf"
PREFERRED_RPROVIDER_virtual-rauc-conf = "evse-rauc-conf"
END
for machine in ${MACHINES:-qemuarm}; do
    echo "== $machine"
    MACHINE=$machine BB_ENV_PASSTHROUGH_ADDITIONS="MACHINE" bitbake -R "$build/evse-check.conf" -p
    MACHINE=$machine BB_ENV_PASSTHROUGH_ADDITIONS="MACHINE" bitbake -R "$build/evse-check.conf" -g evse-image >/dev/null
done
if [ "${CHECK_LAYER:-yes}" = yes ]; then
    echo '== yocto-check-layer'
    bitbake-layers remove-layer "$layer"
    yocto-check-layer "$layer" --dependency "$oe/meta-oe" "$oe/meta-python" --no-auto-dependency
fi
