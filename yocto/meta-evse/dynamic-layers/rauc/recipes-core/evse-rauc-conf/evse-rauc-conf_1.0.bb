SUMMARY = "RAUC's configuration for a charging station"
DESCRIPTION = "Two slots, code-signing certificates only, nothing older than what is installed."
HOMEPAGE = "https://openchargealliance.org/protocols/open-charge-point-protocol/"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

FILESEXTRAPATHS:prepend := "${EVSE_SOURCE}:"
SRC_URI = "\
    file://LICENSE;subdir=${BPN}-src \
    file://yocto/rauc/system.conf.in;subdir=${BPN}-src \
"
S = "${UNPACKDIR}/${BPN}-src"

# The root that firmware is signed below: PEM, of your own making. There is no default.
EVSE_KEYRING ?= ""
EVSE_COMPATIBLE ?= "evse-${MACHINE}"
EVSE_VERSION ?= "${DISTRO_VERSION}"
EVSE_DISK ?= "mmcblk0"
EVSE_SLOTS ?= "2 3"

python () {
    if not d.getVar("EVSE_KEYRING"):
        raise bb.parse.SkipRecipe("set EVSE_KEYRING to the root certificate that firmware is signed below")
    # RAUC's service would not start on the station: its configuration names the oldest version that it takes.
    import re
    if not re.fullmatch(r"\d+(\.\d+){0,2}([-+].+)?", d.getVar("EVSE_VERSION")):
        raise bb.parse.SkipRecipe("set EVSE_VERSION to a version that RAUC compares, as 1.2.3: it is '%s'" % d.getVar("EVSE_VERSION"))
}

do_install() {
    install -d ${D}${sysconfdir}/rauc
    sed -e 's|@COMPATIBLE@|${EVSE_COMPATIBLE}|' -e 's|@TYPE@|ext4|' -e 's|@DATA@|/data|' \
        -e 's|@BOOTLOADER@|uboot\nbundle-formats=verity\nmin-bundle-version=${EVSE_VERSION}|' \
        -e 's|@SLOT_A@|/dev/${EVSE_DISK}p${@d.getVar('EVSE_SLOTS').split()[0]}|' \
        -e 's|@SLOT_B@|/dev/${EVSE_DISK}p${@d.getVar('EVSE_SLOTS').split()[1]}|' \
        ${S}/yocto/rauc/system.conf.in > ${D}${sysconfdir}/rauc/system.conf
    echo "${EVSE_VERSION}" > ${D}${sysconfdir}/rauc/version
    install -m 0644 ${EVSE_KEYRING} ${D}${sysconfdir}/rauc/keyring.pem
}
do_install[file-checksums] += "${@d.getVar('EVSE_KEYRING') + ':True' if d.getVar('EVSE_KEYRING') else ''}"

PACKAGE_ARCH = "${MACHINE_ARCH}"
RPROVIDES:${PN} += "virtual-rauc-conf"
RCONFLICTS:${PN} = "rauc-conf"
