include $(sort $(wildcard $(BR2_EXTERNAL_EVSE_PATH)/package/*/*.mk))
