SUMMARY = "Image of a charging station with A/B updates"
DESCRIPTION = "Read-only root twice, a data partition, watchdog, signed updates; nothing but what a station on the road needs; evse-image-workshop has the tools besides."
HOMEPAGE = "https://openchargealliance.org/protocols/open-charge-point-protocol/"
LICENSE = "Apache-2.0"

inherit core-image

IMAGE_FEATURES += "read-only-rootfs"
IMAGE_INSTALL = "\
    packagegroup-core-boot \
    ca-certificates \
    evse \
    evse-data \
    evse-hal \
    ${@bb.utils.contains('BBFILE_COLLECTIONS', 'rauc', 'evse-rauc rauc', '', d)} \
    ${@bb.utils.contains('MACHINE_FEATURES', 'rtc', 'util-linux-hwclock', '', d)} \
    kernel-modules \
    ${CORE_IMAGE_EXTRA_INSTALL} \
"
# Both systems have the size of one slot.
IMAGE_FSTYPES = "ext4 wic.gz wic.bmap"
WKS_FILE ?= "evse-ab.wks.in"
EVSE_SLOT_MB ?= "256"
EVSE_DISK ?= "mmcblk0"
IMAGE_ROOTFS_MAXSIZE = "${@int(d.getVar('EVSE_SLOT_MB')) * 1024}"
WKS_FILE_DEPENDS:append = " evse-boot"
# Some machines bring a boot script that knows one system only.
IMAGE_BOOT_FILES:remove = "boot.scr"
IMAGE_BOOT_FILES:append = " evse-boot.scr;boot.scr"

# The partition of data, on the disk that the system runs from.
evse_data_mount() {
    printf 'LABEL=data /data ext4 noatime,nodev,nosuid,noexec,data=ordered 0 2\n' >> ${IMAGE_ROOTFS}${sysconfdir}/fstab
}
# systemd leaves the hardware's watchdog to the station, which feeds it only while all its parts run.
evse_watchdog() {
    if [ -d ${IMAGE_ROOTFS}${sysconfdir}/systemd ]; then
        install -d ${IMAGE_ROOTFS}${sysconfdir}/systemd/system.conf.d
        printf '[Manager]\nRuntimeWatchdogSec=off\nRebootWatchdogSec=off\n' \
            > ${IMAGE_ROOTFS}${sysconfdir}/systemd/system.conf.d/evse-watchdog.conf
    fi
}
ROOTFS_POSTPROCESS_COMMAND:append = " evse_data_mount; evse_watchdog;"
