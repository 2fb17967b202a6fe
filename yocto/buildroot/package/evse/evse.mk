################################################################################
#
# evse
#
################################################################################

EVSE_VERSION = 0.1.0
# The tree that this external tree lies in.
EVSE_SITE = $(BR2_EXTERNAL_EVSE_PATH)/../..
EVSE_SITE_METHOD = local
EVSE_LICENSE = Apache-2.0
EVSE_LICENSE_FILES = LICENSE
EVSE_SETUP_TYPE = setuptools

# The first are devices; the last its own log, when the central system asks for it.
EVSE_GROUPS = dialout,input,gpio,spi,i2c$(if $(BR2_INIT_SYSTEMD),$(comma)systemd-journal)
EVSE_BOARD = $(call qstrip,$(BR2_PACKAGE_EVSE_BOARD))
EVSE_PACKAGES = $(TARGET_DIR)/usr/lib/python$(PYTHON3_VERSION_MAJOR)/site-packages
# The program itself makes the station file and the drop-in, before it is packed.
EVSE_HOST = PYTHONPATH=$(@D) PYTHONDONTWRITEBYTECODE=1 $(HOST_DIR)/bin/python3

define EVSE_USERS
	evse -1 evse -1 * /var/lib/evse - $(EVSE_GROUPS) EV charging station
endef

define EVSE_PERMISSIONS
	/etc/evse d 750 root evse - - - - -
	/etc/evse/station.toml f 640 root evse - - - - -
endef

ifeq ($(EVSE_BOARD),auto)
define EVSE_INSTALL_STATION_FILE
	$(EVSE_HOST) -m evse config init --board simulated-ac-1 \
		| sed 's/^board = .*/board = "auto"/' > $(TARGET_DIR)/usr/share/evse/station.toml
	printf '[Service]\nDeviceAllow=char-* rw\nReadWritePaths=-/sys/devices\n' > $(@D)/board.conf
endef
else
define EVSE_INSTALL_STATION_FILE
	$(EVSE_HOST) -m evse config init --board $(EVSE_BOARD) > $(TARGET_DIR)/usr/share/evse/station.toml
	$(EVSE_HOST) -m evse hw service --board $(EVSE_BOARD) > $(@D)/board.conf
endef
endif

ifneq ($(BR2_PACKAGE_EVSE_TOOLS),y)
define EVSE_REMOVE_TOOLS
	cd $(EVSE_PACKAGES)/evse && rm -rf csms ocpp/typed demo.pyc check.pyc hardware.pyc ocpp/messages.pyc \
		$(addprefix commands/,certificates.pyc charging.pyc demonstration.pyc diagnosis.pyc hardware.pyc simulation.pyc \
		tag.pyc tracing.pyc variables.pyc)
endef
endif

define EVSE_INSTALL_STATION
	mkdir -p $(TARGET_DIR)/etc/evse $(TARGET_DIR)/usr/share/evse $(TARGET_DIR)/data \
		$(TARGET_DIR)/var/lib/evse $(TARGET_DIR)/var/lib/evse-update
	$(EVSE_INSTALL_STATION_FILE)
	$(INSTALL) -m 0640 $(TARGET_DIR)/usr/share/evse/station.toml $(TARGET_DIR)/etc/evse/station.toml
	$(INSTALL) -D -m 0644 $(@D)/yocto/service/60-evse.rules $(TARGET_DIR)/usr/lib/udev/rules.d/60-evse.rules
	$(INSTALL) -D -m 0644 $(@D)/yocto/service/evse.default $(TARGET_DIR)/etc/default/evse
	$(INSTALL) -D -m 0644 $(@D)/yocto/service/evse.profile $(TARGET_DIR)/etc/profile.d/evse.sh
	for name in evse-supervise evse-attributes evse-mark-good evse-board evse-data; do \
		$(INSTALL) -D -m 0755 $(@D)/yocto/service/$$name $(TARGET_DIR)/usr/lib/evse/$$name || exit 1; \
	done
	for name in pre-install post-install; do \
		$(INSTALL) -D -m 0755 $(@D)/yocto/rauc/$$name $(TARGET_DIR)/usr/lib/evse/rauc/$$name || exit 1; \
	done
	$(HOST_DIR)/bin/python3 $(@D)/yocto/lean $(EVSE_PACKAGES)
	rm -f $(EVSE_PACKAGES)/evse-*.dist-info/RECORD
	$(EVSE_REMOVE_TOOLS)
endef
EVSE_POST_INSTALL_TARGET_HOOKS += EVSE_INSTALL_STATION

define EVSE_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/yocto/service/evse.service $(TARGET_DIR)/usr/lib/systemd/system/evse.service
	$(INSTALL) -D -m 0644 $(@D)/yocto/service/evse-data.service $(TARGET_DIR)/usr/lib/systemd/system/evse-data.service
	$(INSTALL) -D -m 0644 $(@D)/yocto/service/evse-mark-good.service \
		$(TARGET_DIR)/usr/lib/systemd/system/evse-mark-good.service
	$(INSTALL) -D -m 0644 $(@D)/board.conf $(TARGET_DIR)/usr/lib/systemd/system/evse.service.d/board.conf
endef

define EVSE_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/yocto/service/evse-data $(TARGET_DIR)/etc/init.d/S38evse-data
	$(INSTALL) -D -m 0755 $(@D)/yocto/service/evse.init $(TARGET_DIR)/etc/init.d/S95evse
	$(INSTALL) -D -m 0755 $(EVSE_PKGDIR)/S97evse-mark-good $(TARGET_DIR)/etc/init.d/S97evse-mark-good
endef

$(eval $(python-package))
