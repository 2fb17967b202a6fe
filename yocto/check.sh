#!/bin/sh
# Checks of the packaging that need no metadata of Yocto and no tree of Buildroot: Debian's packages, PyPI, npm suffice.
# What a machine lacks is skipped with a line that says so. Exit code 1 if something is wrong.
#   yocto/check.sh            PYTHON: interpreter with the test dependencies (python3); CHECK_TESTS=no leaves pytest out
# With the release's own metadata: yocto/check-metadata.sh, yocto/check-buildroot.sh.
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wrong=0

result() { # name, exit code, log
    if [ "$2" = 0 ]; then
        echo "ok      $1"
    else
        echo "FAILED  $1"
        tail -n 60 "$3"
        wrong=1
    fi
}

skipped() {
    echo "skipped $1: $2"
}

has() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null
}

# Shell

if has shellcheck; then
    grep -rlE '^#!/bin/(sh|bash)' yocto .ci | xargs shellcheck >"$work/log" 2>&1
    result "shell scripts" $? "$work/log"
else
    skipped "shell scripts" "apt install shellcheck"
fi

# Recipes. Suppressed: the source is the tree around the layer (fileextrapaths, outofcontext, SRC_URI), packages that the
# recipe adds (filesoverride, double, order), machines and classes of other layers (specific, unknown), the network.
if "$python" -m venv "$work/lint" && "$work/lint/bin/pip" install -q oelint-adv >"$work/log" 2>&1; then
    for release in scarthgap wrynose; do
        set --
        for rule in vars.fileextrapaths vars.outofcontext var.filesoverride vars.filessetting.double var.order.SUMMARY \
            var.order.FILES vars.specific vars.mispell vars.mispell.unknown vars.homepageping task.noanonpython \
            var.mandatoryvar.SRC_URI var.override; do
            set -- "$@" --suppress "oelint.$rule"
        done
        find yocto/meta-evse -name '*.bb' -print0 |
            xargs -0 "$work/lint/bin/oelint-adv" --release $release --quiet --hide info --jobs 1 "$@" >"$work/log" 2>&1
        result "recipes for $release" $? "$work/log"
    done
else
    skipped "recipes" "oelint-adv cannot be installed from PyPI"
fi

# The same files by the grammar of Yocto's language server.
if has npm &&
    npm install --silent --no-audit --no-fund --prefix "$work/npm" language-server-bitbake >"$work/log" 2>&1; then
    find yocto/meta-evse \( -name '*.bb' -o -name '*.conf' \) -print0 |
        NODE_PATH="$work/npm/node_modules" xargs -0 node yocto/grammar.js >"$work/log" 2>&1
    result "grammar of recipes" $? "$work/log"
else
    skipped "grammar of recipes" "npm cannot install language-server-bitbake"
fi

# Everything that pytest knows: unit, packages, layer, external tree, updates, boards against device trees, and (asked
# for by EVSE_RELEASE) wheel and source archive built twice.
for tool in systemd-analyze dpkg-deb rauc genimage mkimage mcopy mksquashfs; do
    has $tool || skipped "tests that use $tool" "it is not installed"
done
if [ "${CHECK_TESTS:-yes}" = yes ]; then
    EVSE_RELEASE=1 "$python" -m pytest -q -rs tests/packaging tests/hal/test_boards.py tests/hal/test_permissions.py \
        >"$work/log" 2>&1
    code=$?
    sed -n 's/^SKIPPED/skipped/p' "$work/log" | cut -c1-160
    result "tests of packaging" $code "$work/log"
fi

# Updates once more with Debian 13's RAUC, unpacked beside the system: 1.13 compares versions itself, as images want it.
if [ "${CHECK_TESTS:-yes}" != yes ]; then
    skipped "updates with RAUC 1.13" "CHECK_TESTS is $CHECK_TESTS"
elif [ "$(id -u)" != 0 ] || ! has mmdebstrap; then
    skipped "updates with RAUC 1.13" "needs root, and apt install mmdebstrap"
elif mmdebstrap --quiet --variant=extract --include=rauc trixie "$work/trixie" >"$work/log" 2>&1; then
    loader=$(find "$work/trixie/usr/lib" -name 'ld-linux*' | head -n 1)
    mkdir "$work/bin"
    printf '#!/bin/sh\nexec %s --library-path %s %s/usr/bin/rauc "$@"\n' \
        "$loader" "${loader%/*}" "$work/trixie" >"$work/bin/rauc"
    chmod 0755 "$work" "$work/bin/rauc" # the station's account asks it, too
    PATH="$work/bin:$PATH" "$python" -m pytest -q -rs -n 0 tests/packaging/test_updates.py \
        tests/packaging/test_flashed.py tests/system/test_firmware_rauc.py >"$work/log" 2>&1
    code=$?
    sed -n 's/^SKIPPED/skipped/p' "$work/log" | cut -c1-160
    result "updates with $("$work/bin/rauc" --version)" $code "$work/log"
else
    skipped "updates with RAUC 1.13" "Debian 13 cannot be reached"
fi

if has lintian && has dpkg-deb; then
    "$python" yocto/debian/build-deb --out "$work" >/dev/null && lintian --fail-on error "$work"/*.deb >"$work/log" 2>&1
    result "Debian package" $? "$work/log"
else
    skipped "Debian package" "apt install lintian"
fi
exit $wrong
