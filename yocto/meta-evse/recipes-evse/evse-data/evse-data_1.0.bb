SUMMARY = "State of the charging station on a data partition, below a read-only root"
DESCRIPTION = "Mounts the partition labelled data, and binds the directories of the station from it."
HOMEPAGE = "https://openchargealliance.org/protocols/open-charge-point-protocol/"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

FILESEXTRAPATHS:prepend := "${EVSE_SOURCE}:"
SRC_URI = "\
    file://LICENSE;subdir=${BPN}-src \
    file://yocto/service/evse-data;subdir=${BPN}-src \
    file://yocto/service/evse-data.service;subdir=${BPN}-src \
"
S = "${UNPACKDIR}/${BPN}-src"

inherit allarch systemd update-rc.d

SYSTEMD_SERVICE:${PN} = "evse-data.service"
INITSCRIPT_NAME = "evse-data"
INITSCRIPT_PARAMS = "start 38 S ."

do_install() {
    install -d ${D}${prefix}/lib/evse ${D}${systemd_system_unitdir} ${D}${sysconfdir}/init.d ${D}/data \
        ${D}${localstatedir}/lib/evse ${D}${localstatedir}/lib/evse-update
    install -m 0755 ${S}/yocto/service/evse-data ${D}${prefix}/lib/evse/evse-data
    install -m 0755 ${S}/yocto/service/evse-data ${D}${sysconfdir}/init.d/evse-data
    install -m 0644 ${S}/yocto/service/evse-data.service ${D}${systemd_system_unitdir}
}

FILES:${PN} += "${prefix}/lib/evse ${systemd_system_unitdir} /data"
RDEPENDS:${PN} = "evse"
