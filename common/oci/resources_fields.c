/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for linux.resources: OCI runtime specification 1.2, config-linux.md, control groups. */
#include "common/oci/fields.h"

static const char *const rule_types[] = { "", "a", "b", "c", NULL };

static const struct json_field device_rule_fields[] = {
	OCI_BOOL(device_rule, allow, "allow", .flags = JSON_REQUIRED),
	OCI_STRING(device_rule, type, "type", .words = rule_types),
	OCI_NUMBER(device_rule, major, "major", JSON_I64),
	OCI_NUMBER(device_rule, minor, "minor", JSON_I64),
	OCI_STRING(device_rule, access, "access", .flags = 0),
	OCI_END,
};

static const struct json_field memory_fields[] = {
	OCI_NUMBER(memory, limit, "limit", JSON_I64),
	OCI_NUMBER(memory, reservation, "reservation", JSON_I64),
	OCI_NUMBER(memory, swap, "swap", JSON_I64),
	OCI_NUMBER(memory, kernel, "kernel", JSON_I64),
	OCI_NUMBER(memory, kernel_tcp, "kernelTCP", JSON_I64),
	OCI_NUMBER(memory, swappiness, "swappiness", JSON_U64),
	OCI_BOOL(memory, disable_oom_killer, "disableOOMKiller", .flags = 0),
	OCI_BOOL(memory, use_hierarchy, "useHierarchy", .flags = 0),
	OCI_BOOL(memory, check_before_update, "checkBeforeUpdate", .flags = 0),
	OCI_END,
};

static const struct json_field cpu_fields[] = {
	OCI_NUMBER(cpu, shares, "shares", JSON_U64),
	OCI_NUMBER(cpu, quota, "quota", JSON_I64),
	OCI_NUMBER(cpu, burst, "burst", JSON_U64),
	OCI_NUMBER(cpu, period, "period", JSON_U64),
	OCI_NUMBER(cpu, realtime_runtime, "realtimeRuntime", JSON_I64),
	OCI_NUMBER(cpu, realtime_period, "realtimePeriod", JSON_U64),
	OCI_NUMBER(cpu, idle, "idle", JSON_I64),
	OCI_STRING(cpu, cpus, "cpus", .flags = 0),
	OCI_STRING(cpu, mems, "mems", .flags = 0),
	OCI_END,
};

/* One member is not worth a struct: it goes into the resources themselves. */
static const struct json_field pids_fields[] = {
	OCI_NUMBER(resources, pids_limit, "limit", JSON_I64),
	OCI_END,
};

static const struct json_field weight_device_fields[] = {
	OCI_ROW(weight_device, major, "major", JSON_I64, .flags = JSON_REQUIRED),
	OCI_ROW(weight_device, minor, "minor", JSON_I64, .flags = JSON_REQUIRED),
	OCI_NUMBER(weight_device, weight, "weight", JSON_U32),
	OCI_NUMBER(weight_device, leaf_weight, "leafWeight", JSON_U32),
	OCI_END,
};

static const struct json_field throttle_device_fields[] = {
	OCI_ROW(throttle_device, major, "major", JSON_I64, .flags = JSON_REQUIRED),
	OCI_ROW(throttle_device, minor, "minor", JSON_I64, .flags = JSON_REQUIRED),
	OCI_ROW(throttle_device, rate, "rate", JSON_U64, .flags = JSON_REQUIRED),
	OCI_END,
};

#define OCI_THROTTLE(m, k) OCI_ARRAY(block_io, m, k, oci_throttle_device, throttle_device_fields)

static const struct json_field block_io_fields[] = {
	OCI_NUMBER(block_io, weight, "weight", JSON_U32),
	OCI_NUMBER(block_io, leaf_weight, "leafWeight", JSON_U32),
	OCI_ARRAY(block_io, weight_devices, "weightDevice", oci_weight_device,
		  weight_device_fields),
	OCI_THROTTLE(read_bps, "throttleReadBpsDevice"),
	OCI_THROTTLE(write_bps, "throttleWriteBpsDevice"),
	OCI_THROTTLE(read_iops, "throttleReadIOPSDevice"),
	OCI_THROTTLE(write_iops, "throttleWriteIOPSDevice"),
	OCI_END,
};

static const struct json_field hugepage_limit_fields[] = {
	OCI_STRING(hugepage_limit, page_size, "pageSize", .flags = JSON_REQUIRED | JSON_NONEMPTY),
	OCI_ROW(hugepage_limit, limit, "limit", JSON_U64, .flags = JSON_REQUIRED),
	OCI_END,
};

static const struct json_field interface_priority_fields[] = {
	OCI_STRING(interface_priority, name, "name", .flags = JSON_REQUIRED | JSON_NONEMPTY),
	OCI_ROW(interface_priority, priority, "priority", JSON_U32, .flags = JSON_REQUIRED),
	OCI_END,
};

static const struct json_field network_fields[] = {
	OCI_NUMBER(network, class_id, "classID", JSON_U32),
	OCI_ARRAY(network, priorities, "priorities", oci_interface_priority,
		  interface_priority_fields),
	OCI_END,
};

const struct json_field oci_resources_fields[] = {
	OCI_ARRAY(resources, devices, "devices", oci_device_rule, device_rule_fields),
	OCI_POINTER(resources, memory, "memory", oci_memory, memory_fields, .flags = 0),
	OCI_POINTER(resources, cpu, "cpu", oci_cpu, cpu_fields, .flags = 0),
	{ .key = "pids", .kind = JSON_OBJECT, .offset = 0, .fields = pids_fields },
	OCI_POINTER(resources, block_io, "blockIO", oci_block_io, block_io_fields, .flags = 0),
	OCI_ARRAY(resources, hugepage_limits, "hugepageLimits", oci_hugepage_limit,
		  hugepage_limit_fields),
	OCI_POINTER(resources, network, "network", oci_network, network_fields, .flags = 0),
	OCI_REFUSED("rdma"),
	OCI_MAP(resources, unified, "unified"),
	OCI_END,
};
