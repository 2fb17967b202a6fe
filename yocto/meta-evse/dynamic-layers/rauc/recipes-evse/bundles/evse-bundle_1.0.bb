SUMMARY = "Signed update of a charging station"
DESCRIPTION = "One bundle for the slot that does not run. EVSE_SIGNING_KEY and EVSE_SIGNING_CERT name what it is signed with."
HOMEPAGE = "https://openchargealliance.org/protocols/open-charge-point-protocol/"
SECTION = "base"
LICENSE = "Apache-2.0"

inherit bundle

EVSE_COMPATIBLE ?= "evse-${MACHINE}"
EVSE_VERSION ?= "${DISTRO_VERSION}"

RAUC_BUNDLE_COMPATIBLE = "${EVSE_COMPATIBLE}"
RAUC_BUNDLE_VERSION = "${EVSE_VERSION}"
RAUC_BUNDLE_FORMAT = "verity"
RAUC_BUNDLE_SLOTS = "rootfs"
RAUC_SLOT_rootfs = "evse-image"
RAUC_SLOT_rootfs[fstype] = "ext4"
RAUC_KEY_FILE = "${EVSE_SIGNING_KEY}"
RAUC_CERT_FILE = "${EVSE_SIGNING_CERT}"
