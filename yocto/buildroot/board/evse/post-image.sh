#!/bin/sh
# Buildroot, after the root file system: boot script, disk image with two systems, and a signed bundle. $1: images.
#   EVSE_SIGNING_KEY, EVSE_SIGNING_CERT     for the bundle; without them there is none
#   EVSE_UBOOT, EVSE_UBOOT_KB               i.MX: boot loader's file, and where the ROM looks for it
set -eu
here=$(dirname "$0")
images=$1
config=${BR2_CONFIG:-$images/../.config}
if grep -q '^BR2_aarch64=y' "$config"; then
    kernel=Image boot=booti arch=arm64
else
    kernel=zImage boot=bootz arch=arm
fi
tree=
if ! grep -q '^BR2_PACKAGE_RPI_FIRMWARE=y' "$config"; then
    tree=$(sed -n 's/^BR2_LINUX_KERNEL_INTREE_DTS_NAME="\([^ "]*\).*/\1/p' "$config")
    tree=${tree##*/}.dtb
fi
sed -e 's|@SLOT_A@|2|' -e 's|@SLOT_B@|3|' -e "s|@KERNEL@|$kernel|" -e "s|@BOOT@|$boot|" -e "s|@DEVICETREE@|$tree|" \
    -e 's|@ARGS@||' "$here/../../../rauc/boot.cmd.in" >"$images/boot.cmd"
"$HOST_DIR/bin/mkimage" -A $arch -T script -C none -d "$images/boot.cmd" "$images/boot.scr"

# What the FAT partition holds: the boot script, and for Raspberry Pi its firmware with U-Boot as the kernel.
files='"boot.scr"'
for file in "$images"/rpi-firmware/*; do
    if [ -e "$file" ]; then files="$files, \"rpi-firmware/${file##*/}\""; fi
done
if [ -d "$images/rpi-firmware" ]; then files="$files, \"u-boot.bin\""; fi
loader=
if [ -n "${EVSE_UBOOT:-}" ]; then
    loader="partition u-boot {\n\t\tin-partition-table = \"false\"\n\t\timage = \"$EVSE_UBOOT\""
    loader="$loader\n\t\toffset = ${EVSE_UBOOT_KB}K\n\t}"
fi
sed -e "s|@FILES@|$files|" -e "s|@LOADER@|$loader|" "$here/genimage.cfg.in" >"$images/genimage.cfg"
rm -rf "$images/genimage.tmp"
mkdir -p "$images/genimage.root"
"$HOST_DIR/bin/genimage" --rootpath "$images/genimage.root" --tmppath "$images/genimage.tmp" \
    --inputpath "$images" --outputpath "$images" --config "$images/genimage.cfg"

if [ -n "${EVSE_SIGNING_KEY:-}" ]; then
    rm -rf "$images/bundle" "$images/evse.raucb"
    mkdir -p "$images/bundle"
    cp "$images/rootfs.ext4" "$images/bundle/rootfs.ext4"
    printf '[update]\ncompatible=%s\nversion=%s\n[bundle]\nformat=verity\n[image.rootfs]\nfilename=rootfs.ext4\n' \
        "${EVSE_COMPATIBLE:-evse-buildroot}" "${EVSE_VERSION:-1}" >"$images/bundle/manifest.raucm"
    "$HOST_DIR/bin/rauc" bundle --cert="$EVSE_SIGNING_CERT" --key="$EVSE_SIGNING_KEY" "$images/bundle" "$images/evse.raucb"
fi
