#!/bin/sh
# Buildroot, before the image is made: data partition, RAUC's configuration. $1 is the target.
#   EVSE_KEYRING       root certificate that firmware is signed below; without it no updates
#   EVSE_VERSION       of the image (1), EVSE_COMPATIBLE (evse-buildroot), EVSE_DISK (mmcblk0)
set -eu
here=$(dirname "$0")
mkdir -p "$1/data"
grep -q ' /data ' "$1/etc/fstab" ||
    echo 'LABEL=data /data ext4 noatime,nodev,nosuid,noexec 0 2' >>"$1/etc/fstab"
# Python's own library, stripped and compressed as the station's code is.
for library in "$1"/usr/lib/python3.*; do
    if [ -d "$library/encodings" ]; then "$HOST_DIR/bin/python3" "$here/../../../lean" --library "$library" >/dev/null; fi
done
if [ -n "${EVSE_KEYRING:-}" ]; then
    disk=${EVSE_DISK:-mmcblk0}
    version=${EVSE_VERSION:-1}
    # RAUC's service would not start on the station: its configuration names the oldest version that it takes.
    if ! echo "$version" | grep -qE '^[0-9]+(\.[0-9]+){0,2}([-+].+)?$'; then
        echo "EVSE_VERSION=$version: RAUC compares versions such as 1.2.3" >&2
        exit 1
    fi
    mkdir -p "$1/etc/rauc"
    sed -e "s|@COMPATIBLE@|${EVSE_COMPATIBLE:-evse-buildroot}|" -e 's|@TYPE@|ext4|' -e 's|@DATA@|/data|' \
        -e "s|@BOOTLOADER@|uboot\nbundle-formats=verity\nmin-bundle-version=$version|" \
        -e "s|@SLOT_A@|/dev/${disk}p2|" -e "s|@SLOT_B@|/dev/${disk}p3|" \
        "$here/../../../rauc/system.conf.in" >"$1/etc/rauc/system.conf"
    echo "$version" >"$1/etc/rauc/version"
    # For the station's account, too, which asks RAUC what a bundle is.
    install -m 0644 "$EVSE_KEYRING" "$1/etc/rauc/keyring.pem"
    for file in "$1/usr/share/evse/station.toml" "$1/etc/evse/station.toml"; do
        if [ -e "$file" ] && ! grep -q '^\[firmware\]' "$file"; then
            cat "$here/../../../rauc/station.toml" >>"$file"
        fi
    done
fi
