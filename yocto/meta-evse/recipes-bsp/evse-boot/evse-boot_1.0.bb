SUMMARY = "Boot script of a charging station: which of two systems to start"
DESCRIPTION = "For U-Boot; counts starts as RAUC's U-Boot backend expects it."
HOMEPAGE = "https://openchargealliance.org/protocols/open-charge-point-protocol/"
SECTION = "bootloaders"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

DEPENDS = "u-boot-mkimage-native"

FILESEXTRAPATHS:prepend := "${EVSE_SOURCE}:"
SRC_URI = "\
    file://LICENSE;subdir=${BPN}-src \
    file://yocto/rauc/boot.cmd.in;subdir=${BPN}-src \
"
S = "${UNPACKDIR}/${BPN}-src"

inherit deploy

PACKAGE_ARCH = "${MACHINE_ARCH}"
# Partitions of the two systems; the kernel as the image has it in /boot, and the command that starts it.
EVSE_SLOTS ?= "2 3"
EVSE_BOOT_COMMAND ?= "${@'booti' if d.getVar('TARGET_ARCH') == 'aarch64' else 'bootz'}"
EVSE_KERNEL_ARGS ?= ""
# Raspberry Pi: its firmware made the device tree, with overlays; others load theirs from the system.
EVSE_DEVICETREE ?= "${@os.path.basename((d.getVar('KERNEL_DEVICETREE') or '').split(' ')[0])}"
EVSE_DEVICETREE:rpi = ""

do_compile() {
    sed -e 's|@SLOT_A@|${@d.getVar('EVSE_SLOTS').split()[0]}|' -e 's|@SLOT_B@|${@d.getVar('EVSE_SLOTS').split()[1]}|' \
        -e 's|@KERNEL@|${KERNEL_IMAGETYPE}|' -e 's|@BOOT@|${EVSE_BOOT_COMMAND}|' \
        -e 's|@DEVICETREE@|${EVSE_DEVICETREE}|' -e 's|@ARGS@|${EVSE_KERNEL_ARGS}|' \
        ${S}/yocto/rauc/boot.cmd.in > ${B}/boot.cmd
    mkimage -A ${@'arm64' if d.getVar('TARGET_ARCH') == 'aarch64' else 'arm'} -T script -C none -d ${B}/boot.cmd ${B}/boot.scr
}
do_install[noexec] = "1"
do_deploy() {
    install -m 0644 ${B}/boot.scr ${DEPLOYDIR}/evse-boot.scr
}
addtask deploy after do_compile before do_build

ALLOW_EMPTY:${PN} = "1"
