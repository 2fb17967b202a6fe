SUMMARY = "Firmware of an EV charging station: OCPP 1.6J, 2.0.1 and 2.1"
DESCRIPTION = "One lean process drives contactor, control pilot, meter and card reader as a board file says, and speaks \
OCPP with the central system. Installed as byte code alone."
HOMEPAGE = "https://openchargealliance.org/protocols/open-charge-point-protocol/"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

# Which board of board_configs the image is for; "auto" asks the device tree at each start, and lets the service open
# all serial ports, buses and lines, as nobody knows at build time which are the board's.
EVSE_BOARD ?= "auto"
# "rauc": the central system may update the image, as the station file says; /etc/rauc comes from evse-rauc-conf then.
EVSE_INSTALLER ?= "${@bb.utils.contains('BBFILE_COLLECTIONS', 'rauc', 'rauc' if d.getVar('EVSE_KEYRING') else '', '', d)}"

FILESEXTRAPATHS:prepend := "${EVSE_SOURCE}:"
SRC_URI = "\
    file://evse;subdir=${BPN}-src \
    file://hal;subdir=${BPN}-src \
    file://board_configs;subdir=${BPN}-src \
    file://yocto/lean;subdir=${BPN}-src \
    file://yocto/rauc;subdir=${BPN}-src \
    file://yocto/service;subdir=${BPN}-src \
    file://pyproject.toml;subdir=${BPN}-src \
    file://README.md;subdir=${BPN}-src \
    file://LICENSE;subdir=${BPN}-src \
"
S = "${UNPACKDIR}/${BPN}-src"

inherit python_setuptools_build_meta systemd update-rc.d useradd

SYSTEMD_PACKAGES = "${PN} ${PN}-rauc"
SYSTEMD_SERVICE:${PN} = "evse.service"
SYSTEMD_SERVICE:${PN}-rauc = "evse-mark-good.service"
INITSCRIPT_PACKAGES = "${PN}"
INITSCRIPT_NAME:${PN} = "evse"
INITSCRIPT_PARAMS:${PN} = "defaults 95 05"

USERADD_PACKAGES = "${PN}"
# systemd-journal: its own log, when the central system asks for it.
GROUPADD_PARAM:${PN} = "--system gpio; --system spi; --system i2c; --system systemd-journal"
USERADD_PARAM:${PN} = "--system --user-group --no-create-home --home-dir ${localstatedir}/lib/evse \
    --shell /sbin/nologin --groups gpio,spi,i2c,dialout,input,systemd-journal evse"

do_configure:prepend() {
    # What another build left in the tree is not part of it.
    find ${S} -name __pycache__ -prune -exec rm -rf {} +
}

do_install:append() {
    # The drop-in is made by the program, so before it is packed.
    if [ "${EVSE_BOARD}" = "auto" ]; then
        printf '[Service]\nDeviceAllow=char-* rw\nReadWritePaths=-/sys/devices\n' > ${B}/board.conf
        printf 'board = "auto"\n' > ${B}/board
    else
        PYTHONPATH=${S} PYTHONDONTWRITEBYTECODE=1 ${PYTHON} -m evse hw service --board ${EVSE_BOARD} > ${B}/board.conf
    fi
    install -d ${D}${systemd_system_unitdir}/evse.service.d ${D}${sysconfdir}/init.d ${D}${sysconfdir}/evse \
        ${D}${sysconfdir}/default ${D}${nonarch_base_libdir}/udev/rules.d ${D}${prefix}/lib/evse/rauc \
        ${D}${sysconfdir}/profile.d ${D}${datadir}/evse
    install -m 0644 ${S}/yocto/service/evse.service ${S}/yocto/service/evse-mark-good.service \
        ${D}${systemd_system_unitdir}
    install -m 0644 ${B}/board.conf ${D}${systemd_system_unitdir}/evse.service.d/board.conf
    install -m 0755 ${S}/yocto/service/evse.init ${D}${sysconfdir}/init.d/evse
    install -m 0644 ${S}/yocto/service/evse.default ${D}${sysconfdir}/default/evse
    install -m 0644 ${S}/yocto/service/evse.profile ${D}${sysconfdir}/profile.d/evse.sh
    install -m 0644 ${S}/yocto/service/60-evse.rules ${D}${nonarch_base_libdir}/udev/rules.d
    install -m 0755 ${S}/yocto/service/evse-supervise ${S}/yocto/service/evse-attributes \
        ${S}/yocto/service/evse-mark-good ${S}/yocto/service/evse-board ${D}${prefix}/lib/evse
    install -m 0755 ${S}/yocto/rauc/pre-install ${S}/yocto/rauc/post-install ${D}${prefix}/lib/evse/rauc
    # A station file to begin with; an image with a data partition copies it there once.
    PYTHONPATH=${S} PYTHONDONTWRITEBYTECODE=1 ${PYTHON} -m evse config init \
        --board ${@'simulated-ac-1' if d.getVar('EVSE_BOARD') == 'auto' else d.getVar('EVSE_BOARD')} \
        > ${D}${datadir}/evse/station.toml
    if [ "${EVSE_BOARD}" = "auto" ]; then
        sed -i 's/^board = .*/board = "auto"/' ${D}${datadir}/evse/station.toml
    fi
    if [ "${EVSE_INSTALLER}" = "rauc" ]; then
        cat ${S}/yocto/rauc/station.toml >> ${D}${datadir}/evse/station.toml
    fi
    # It may come to hold a password: for root and the station.
    install -m 0640 -g evse ${D}${datadir}/evse/station.toml ${D}${sysconfdir}/evse/station.toml
    chgrp evse ${D}${sysconfdir}/evse
    chmod 0750 ${D}${sysconfdir}/evse
    ${PYTHON} ${S}/yocto/lean ${D}${PYTHON_SITEPACKAGES_DIR}
    # Its sums are of the sources.
    rm -f ${D}${PYTHON_SITEPACKAGES_DIR}/evse-*.dist-info/RECORD
}

# The first that matches takes a file: the packages for workshops and developers before the daemon.
PACKAGES =+ "${PN}-rauc ${PN}-csms ${PN}-cli ${PN}-hal"

SITE = "${PYTHON_SITEPACKAGES_DIR}"

SUMMARY:${PN}-rauc = "Marks updates of the charging station good, or takes them back"
FILES:${PN}-rauc = "${prefix}/lib/evse/rauc ${prefix}/lib/evse/evse-mark-good \
    ${systemd_system_unitdir}/evse-mark-good.service ${SITE}/evse/commands/health.pyc"
RDEPENDS:${PN}-rauc = "${PN}"
RRECOMMENDS:${PN}-rauc = "rauc"

SUMMARY:${PN}-csms = "Central system, demonstration and message mode for a charging station"
FILES:${PN}-csms = "${SITE}/evse/csms ${SITE}/evse/demo.pyc ${SITE}/evse/ocpp/messages.pyc ${SITE}/evse/ocpp/typed \
    ${SITE}/evse/commands/demonstration.pyc"
RDEPENDS:${PN}-csms = "${PN} python3-asyncio python3-websockets"

SUMMARY:${PN}-cli = "Commands to look at, set and try a charging station"
FILES:${PN}-cli = "${SITE}/evse/check.pyc ${SITE}/evse/hardware.pyc ${SITE}/hal/inventory.pyc ${SITE}/hal/meterscan.pyc \
    ${SITE}/hal/permissions.pyc ${prefix}/lib/evse/evse-board ${@cli_files(d)}"
RDEPENDS:${PN}-cli = "${PN} ${PN}-hal"

SUMMARY:${PN}-hal = "Drivers of the charging station for meters, readers, pilots and contactors"
FILES:${PN}-hal = "${SITE}/hal/meters ${@hal_files(d)}"
RDEPENDS:${PN}-hal = "${PN}"

def hal_files(d):
    names = "drivers/fifo_reader drivers/gpio_contactor drivers/gpio_inputs drivers/hid_reader drivers/line_reader"
    names += " drivers/mfrc522 drivers/modbus_meter drivers/pn532 drivers/pwm_pilot drivers/rapi_pilot drivers/reader"
    names += " drivers/safety_mcu drivers/signing_meter i2c mcuframes modbus ocmf pn532 spi"
    return " ".join("${SITE}/hal/%s.pyc" % name for name in names.split())

# Commands of the front end that only people give; `run`, `config` and their common part start the daemon.
def cli_files(d):
    names = "certificates charging diagnosis hardware simulation tag tracing variables".split()
    return " ".join("${SITE}/evse/commands/%s.pyc" % name for name in names)

FILES:${PN} += "${SITE} ${datadir}/evse ${prefix}/lib/evse ${systemd_system_unitdir} \
    ${nonarch_base_libdir}/udev/rules.d"
CONFFILES:${PN} = "${sysconfdir}/evse/station.toml ${sysconfdir}/default/evse"

# The standard library in OE's parts: what the front end and the daemon import. yocto/rdepends compares.
RDEPENDS:${PN} = "\
    python3-compression \
    python3-core \
    python3-crypt \
    python3-datetime \
    python3-difflib \
    python3-fcntl \
    python3-io \
    python3-json \
    python3-math \
    python3-netclient \
    python3-shell \
    python3-tomllib \
"
# Certificates and signed firmware, in a child process; a station with security profile 0 to 2 and without updates from
# the central system runs without.
RRECOMMENDS:${PN} = "${PN}-hal python3-cryptography"
