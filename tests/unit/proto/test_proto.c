/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generated messages against what others send: numbers and types of fields that are easy to get
 * wrong, every method of every service, and bytes that protoc --encode made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent.pb-c.h"
#include "bootstrap.pb-c.h"
#include "cgroups_v1.pb-c.h"
#include "cgroups_v2.pb-c.h"
#include "common/base/cleanup.h"
#include "common/base/num.h"
#include "event_forward.pb-c.h"
#include "events.pb-c.h"
#include "health.pb-c.h"
#include "runc_options.pb-c.h"
#include "runtime_options.pb-c.h"
#include "sandbox.pb-c.h"
#include "task.pb-c.h"

#define U32   PROTOBUF_C_TYPE_UINT32
#define U64   PROTOBUF_C_TYPE_UINT64
#define I32   PROTOBUF_C_TYPE_INT32
#define I64   PROTOBUF_C_TYPE_INT64
#define BOOL  PROTOBUF_C_TYPE_BOOL
#define TEXT  PROTOBUF_C_TYPE_STRING
#define BYTES PROTOBUF_C_TYPE_BYTES
#define ENUM  PROTOBUF_C_TYPE_ENUM
#define MSG   PROTOBUF_C_TYPE_MESSAGE

static void test_fields(void **state)
{
	static const struct {
		const ProtobufCMessageDescriptor *message;
		unsigned number;
		const char *name;
		ProtobufCType type;
		bool repeated;
	} rows[] = {
		/* Gaps: the first number is 2. */
		{ &grpc__fsgroup__descriptor, 2, "group_id", U32, false },
		{ &grpc__fsgroup__descriptor, 3, "group_change_policy", ENUM, false },
		{ &grpc__reseed_random_dev_request__descriptor, 2, "data", BYTES, false },
		{ &io__containerd__cgroups__v2__metrics__descriptor, 4, "memory", MSG, false },
		{ &io__containerd__cgroups__v2__metrics__descriptor, 9, "network", MSG, true },
		/* Fields that are elsewhere in their relatives. */
		{ &grpc__cpu_usage__descriptor, 3, "usage_in_kernelmode", U64, false },
		{ &grpc__cpu_usage__descriptor, 2, "percpu_usage", U64, true },
		{ &grpc__create_container_request__descriptor, 6, "OCI", MSG, false },
		{ &grpc__create_container_request__descriptor, 7, "sandbox_pidns", BOOL, false },
		{ &grpc__exec_process_request__descriptor, 4, "process", MSG, false },
		{ &grpc__create_sandbox_request__descriptor, 5, "sandbox_id", TEXT, false },
		{ &grpc__storage__descriptor, 6, "mount_point", TEXT, false },
		{ &grpc__storage__descriptor, 8, "shared", BOOL, false },
		{ &grpc__copy_file_request__descriptor, 7, "offset", I64, false },
		{ &grpc__copy_file_request__descriptor, 5, "uid", I32, false },
		{ &grpc__set_guest_date_time_request__descriptor, 1, "Sec", I64, false },
		{ &grpc__agent_details__descriptor, 6, "extra_features", TEXT, true },
		{ &grpc__wait_process_response__descriptor, 1, "status", I32, false },
		{ &grpc__process__descriptor, 11, "OOMScoreAdj", I64, false },
		{ &grpc__posixrlimit__descriptor, 2, "Hard", U64, false },
		{ &grpc__posixrlimit__descriptor, 3, "Soft", U64, false },
		{ &grpc__linux_idmapping__descriptor, 1, "HostID", U32, false },
		{ &grpc__linux_idmapping__descriptor, 2, "ContainerID", U32, false },
		{ &grpc__linux_syscall__descriptor, 3, "errnoret", U32, false },
		{ &grpc__linux_syscall__descriptor, 4, "Args", MSG, true },
		{ &grpc__hooks__descriptor, 4, "CreateRuntime", MSG, true },
		{ &types__interface__descriptor, 5, "hwAddr", TEXT, false },
		{ &types__route__descriptor, 6, "family", ENUM, false },
		/* Maps are repeated messages of two fields. */
		{ &grpc__cgroup_stats__descriptor, 5, "hugetlb_stats", MSG, true },
		{ &grpc__memory_stats__descriptor, 6, "stats", MSG, true },
		{ &grpc__spec__descriptor, 7, "Annotations", MSG, true },
		{ &grpc__linux__descriptor, 3, "Sysctl", MSG, true },
		{ &grpc__linux__sysctl_entry__descriptor, 1, "key", TEXT, false },
		{ &grpc__linux__sysctl_entry__descriptor, 2, "value", TEXT, false },
		/* containerd's side. */
		{ &containerd__task__v2__create_task_request__descriptor, 10, "options", MSG,
		  false },
		{ &containerd__task__v2__state_response__descriptor, 11, "exec_id", TEXT, false },
		{ &containerd__task__v2__kill_request__descriptor, 4, "all", BOOL, false },
		{ &containerd__task__v2__update_task_request__descriptor, 3, "annotations", MSG,
		  true },
		{ &containerd__events__task_exit__descriptor, 2, "id", TEXT, false },
		{ &containerd__events__task_exit__descriptor, 5, "exited_at", MSG, false },
		{ &containerd__events__task_delete__descriptor, 5, "id", TEXT, false },
		{ &containerd__runtime__bootstrap__v1__bootstrap_params__descriptor, 9,
		  "socket_dir", TEXT, false },
		{ &containerd__runtime__sandbox__v1__sandbox_status_response__descriptor, 7,
		  "extra", MSG, false },
		{ &runtimeoptions__v1__options__descriptor, 3, "config_body", BYTES, false },
		{ &containerd__runc__v1__options__descriptor, 9, "systemd_cgroup", BOOL, false },
		{ &io__containerd__cgroups__v2__memory_stat__descriptor, 32, "usage", U64, false },
		{ &io__containerd__cgroups__v2__memory_stat__descriptor, 38, "psi", MSG, false },
		{ &io__containerd__cgroups__v2__cpustat__descriptor, 7, "psi", MSG, false },
		{ &io__containerd__cgroups__v1__memory_stat__descriptor, 18, "total_cache", U64,
		  false },
		{ &io__containerd__cgroups__v1__memory_stat__descriptor, 32, "total_unevictable",
		  U64, false },
		{ &io__containerd__cgroups__v1__memory_stat__descriptor, 36, "kernel_tcp", MSG,
		  false },
		{ &io__containerd__cgroups__v1__cpuusage__descriptor, 4, "per_cpu", U64, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const ProtobufCFieldDescriptor *f =
			protobuf_c_message_descriptor_get_field(rows[i].message, rows[i].number);

		if (!f)
			fail_msg("%s has no field %u", rows[i].message->name, rows[i].number);
		assert_string_equal(f->name, rows[i].name);
		assert_int_equal(f->type, rows[i].type);
		assert_int_equal(f->label == PROTOBUF_C_LABEL_REPEATED, rows[i].repeated);
	}
	assert_null(protobuf_c_message_descriptor_get_field(&grpc__fsgroup__descriptor, 1));
	assert_null(protobuf_c_message_descriptor_get_field(
		&grpc__reseed_random_dev_request__descriptor, 1));
	assert_null(protobuf_c_message_descriptor_get_field(
		&io__containerd__cgroups__v2__metrics__descriptor, 3));
}

static const char *const agent_methods[] = {
	"CreateContainer",
	"StartContainer",
	"RemoveContainer",
	"ExecProcess",
	"SignalProcess",
	"WaitProcess",
	"UpdateContainer",
	"UpdateEphemeralMounts",
	"StatsContainer",
	"PauseContainer",
	"ResumeContainer",
	"RemoveStaleVirtiofsShareMounts",
	"GetDiagnosticData",
	"WriteStdin",
	"ReadStdout",
	"ReadStderr",
	"CloseStdin",
	"TtyWinResize",
	"UpdateInterface",
	"UpdateRoutes",
	"ListInterfaces",
	"ListRoutes",
	"AddARPNeighbors",
	"GetIPTables",
	"SetIPTables",
	"GetMetrics",
	"MemAgentMemcgSet",
	"MemAgentCompactSet",
	"CreateSandbox",
	"DestroySandbox",
	"OnlineCPUMem",
	"ReseedRandomDev",
	"GetGuestDetails",
	"MemHotplugByProbe",
	"SetGuestDateTime",
	"CopyFile",
	"GetOOMEvent",
	"AddSwap",
	"AddSwapPath",
	"GetVolumeStats",
	"ResizeVolume",
	"SetPolicy",
	NULL,
};
static const char *const health_methods[] = { "Check", "Version", NULL };
static const char *const task_methods[] = {
	"State",   "Create",     "Start", "Delete", "Pids",     "Pause",
	"Resume",  "Checkpoint", "Kill",  "Exec",   "CloseIO",  "ResizePty",
	"Connect", "Update",     "Wait",  "Stats",  "Shutdown", NULL,
};
static const char *const sandbox_methods[] = {
	"CreateSandbox", "StartSandbox", "Platform",        "StopSandbox",    "WaitSandbox",
	"SandboxStatus", "PingSandbox",  "ShutdownSandbox", "SandboxMetrics", NULL,
};
static const char *const event_methods[] = { "Forward", NULL };

static void test_methods(void **state)
{
	static const struct {
		const ProtobufCServiceDescriptor *service;
		const char *name;
		const char *const *methods;
	} rows[] = {
		{ &grpc__agent_service__descriptor, "grpc.AgentService", agent_methods },
		{ &grpc__health__descriptor, "grpc.Health", health_methods },
		{ &containerd__task__v2__task__descriptor, "containerd.task.v2.Task",
		  task_methods },
		{ &containerd__runtime__sandbox__v1__sandbox__descriptor,
		  "containerd.runtime.sandbox.v1.Sandbox", sandbox_methods },
		{ &containerd__services__events__ttrpc__v1__events__descriptor,
		  "containerd.services.events.ttrpc.v1.Events", event_methods },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned n = 0;

		assert_string_equal(rows[i].service->name, rows[i].name);
		for (; rows[i].methods[n]; n++)
			if (!protobuf_c_service_descriptor_get_method_by_name(rows[i].service,
									      rows[i].methods[n]))
				fail_msg("%s has no %s", rows[i].name, rows[i].methods[n]);
		assert_int_equal(rows[i].service->n_methods, n);
	}
}

/* Request and answer of those whose names do not follow from the method's. */
static void test_method_types(void **state)
{
	static const struct {
		const ProtobufCServiceDescriptor *service;
		const char *method, *input, *output;
	} rows[] = {
		{ &grpc__agent_service__descriptor, "WriteStdin", "grpc.WriteStreamRequest",
		  "grpc.WriteStreamResponse" },
		{ &grpc__agent_service__descriptor, "ReadStderr", "grpc.ReadStreamRequest",
		  "grpc.ReadStreamResponse" },
		{ &grpc__agent_service__descriptor, "UpdateInterface",
		  "grpc.UpdateInterfaceRequest", "types.Interface" },
		{ &grpc__agent_service__descriptor, "GetOOMEvent", "grpc.GetOOMEventRequest",
		  "grpc.OOMEvent" },
		{ &grpc__agent_service__descriptor, "GetGuestDetails", "grpc.GuestDetailsRequest",
		  "grpc.GuestDetailsResponse" },
		{ &grpc__agent_service__descriptor, "CreateContainer",
		  "grpc.CreateContainerRequest", "google.protobuf.Empty" },
		{ &grpc__health__descriptor, "Version", "grpc.CheckRequest",
		  "grpc.VersionCheckResponse" },
		{ &containerd__task__v2__task__descriptor, "Create",
		  "containerd.task.v2.CreateTaskRequest", "containerd.task.v2.CreateTaskResponse" },
		{ &containerd__task__v2__task__descriptor, "Shutdown",
		  "containerd.task.v2.ShutdownRequest", "google.protobuf.Empty" },
		{ &containerd__runtime__sandbox__v1__sandbox__descriptor, "PingSandbox",
		  "containerd.runtime.sandbox.v1.PingRequest",
		  "containerd.runtime.sandbox.v1.PingResponse" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const ProtobufCMethodDescriptor *m =
			protobuf_c_service_descriptor_get_method_by_name(rows[i].service,
									 rows[i].method);

		assert_non_null(m);
		assert_string_equal(m->input->name, rows[i].input);
		assert_string_equal(m->output->name, rows[i].output);
	}
}

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1], '\0' };
		uint32_t byte;

		assert_true(num_u32(digits, 16, &byte));
		out[i] = (uint8_t)byte;
	}
	return n;
}

/* Bytes of `protoc --encode`: taken apart and put together they are the same. */
static void test_round_trips(void **state)
{
	static const struct {
		const ProtobufCMessageDescriptor *message;
		const char *hex;
	} rows[] = {
		/* group_id: 5 group_change_policy: OnRootMismatch */
		{ &grpc__fsgroup__descriptor, "10051801" },
		/* data: "x" */
		{ &grpc__reseed_random_dev_request__descriptor, "120178" },
		/* status: -1 */
		{ &grpc__wait_process_response__descriptor, "08ffffffffffffffffff01" },
		/* total_usage: 3 percpu_usage: 1 percpu_usage: 300, packed */
		{ &grpc__cpu_usage__descriptor, "0803120301ac02" },
		/* disabled: false period_secs: 0, both there */
		{ &grpc__mem_agent_memcg_config__descriptor, "08002000" },
		/* hugetlb_stats { key: "2MB" value { usage: 7 } } */
		{ &grpc__cgroup_stats__descriptor, "2a090a03324d4212020807" },
		/* Names: "read" errnoret: 0, there */
		{ &grpc__linux_syscall__descriptor, "0a04726561641800" },
		/* container_id: "c" id: "c" pid: 9 exit_status: 137 exited_at { 1 2 } */
		{ &containerd__events__task_exit__descriptor,
		  "0a016312016318092089012a0408011002" },
		/* instance_id: "i" log_level: DEBUG socket_dir: "/s" */
		{ &containerd__runtime__bootstrap__v1__bootstrap_params__descriptor,
		  "0a016918fcffffffffffffffff014a022f73" },
		/* id: "c" annotations { key: "a" value: "b" } */
		{ &containerd__task__v2__update_task_request__descriptor,
		  "0a01631a060a0161120162" },
		/* cpu { usage_usec psi { some { avg10 } } } memory { anon swap_max_usage } network */
		{ &io__containerd__cgroups__v2__metrics__descriptor,
		  "120f08053a0b0a0909000000000000e03f22050801a802044a080a04657468304801" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t in[128], out[128];
		size_t n = from_hex(rows[i].hex, in);
		ProtobufCMessage *m = protobuf_c_message_unpack(rows[i].message, NULL, n, in);

		assert_non_null(m);
		assert_int_equal(m->n_unknown_fields, 0);
		assert_int_equal(protobuf_c_message_get_packed_size(m), n);
		assert_int_equal(protobuf_c_message_pack(m, out), n);
		assert_memory_equal(in, out, n);
		protobuf_c_message_free_unpacked(m, NULL);
	}
}

static void test_presence(void **state)
{
	static const uint8_t disabled_false[] = { 0x08, 0x00 };
	Grpc__MemAgentMemcgConfig *m =
		grpc__mem_agent_memcg_config__unpack(NULL, sizeof(disabled_false), disabled_false);

	(void)state;
	assert_non_null(m);
	assert_int_equal(m->has_disabled_case, GRPC__MEM_AGENT_MEMCG_CONFIG__HAS_DISABLED_DISABLED);
	assert_false(m->disabled);
	assert_int_equal(m->has_swap_case, GRPC__MEM_AGENT_MEMCG_CONFIG__HAS_SWAP__NOT_SET);
	grpc__mem_agent_memcg_config__free_unpacked(m, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),       cmocka_unit_test(test_methods),
		cmocka_unit_test(test_method_types), cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_presence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
