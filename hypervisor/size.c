/* SPDX-License-Identifier: Apache-2.0 */
/* The size of a running VM, whatever runs it: what every driver would have to check; see size.h. */
#include "hypervisor/size.h"

#include <inttypes.h>

#include "hypervisor/driver.h"

uint32_t hv_vcpus(const struct hv *hv)
{
	return hv->spec.size.vcpus;
}

uint64_t hv_memory_mib(const struct hv *hv)
{
	return hv->spec.size.memory_mib;
}

static int check(const struct hv *hv, bool can, struct err *e)
{
	if (hv->dead)
		return err_set(e, ERR_UNAVAILABLE, "%s", hv->why.text);
	return can ? 0
		   : err_set(e, ERR_UNSUPPORTED, "%s cannot do that with a running machine",
			     hv->ops->name);
}

static int check_vcpus(const struct hv *hv, uint32_t n, struct err *e)
{
	const struct sizing *s = &hv->spec.size;

	if (check(hv, hv->ops->add_vcpus, e) < 0)
		return -1;
	if (s->vcpus >= s->max_vcpus || n > s->max_vcpus - s->vcpus)
		return err_set(e, ERR_EXHAUSTED,
			       "the machine has %" PRIu32 " and was started for at most %" PRIu32
			       " (default_maxvcpus)",
			       s->vcpus, s->max_vcpus);
	return 0;
}

static int check_memory(const struct hv *hv, uint64_t mib, struct err *e)
{
	const struct sizing *s = &hv->spec.size;

	if (check(hv, hv->ops->add_memory, e) < 0)
		return -1;
	if (s->memory_mib >= s->max_memory_mib || mib > s->max_memory_mib - s->memory_mib)
		return err_set(e, ERR_EXHAUSTED,
			       "the machine has %" PRIu64
			       " MiB and was started for at most %" PRIu64
			       " MiB (default_maxmemory)",
			       s->memory_mib, s->max_memory_mib);
	if (s->memory_slots == 0)
		return err_set(e, ERR_EXHAUSTED,
			       "no slot is left, memory_slots = %" PRIu32
			       " says how often memory can be added",
			       hv->spec.config->hypervisor.memory_slots);
	return 0;
}

/* Behind the driver's call. */
static int ended(struct hv *hv, int result, struct err *e)
{
	if (result < 0 && hv_died(hv, e))
		(void)err_set(e, ERR_UNAVAILABLE, "%s", hv->why.text);
	hv_end_device_call(hv);
	return result;
}

int hv_add_vcpus(struct hv *hv, uint32_t n, struct deadline d, struct err *e)
{
	int r = check_vcpus(hv, n, e);

	if (r == 0) {
		hv_begin_device_call(hv);
		r = ended(hv, hv->ops->add_vcpus(hv, n, d, e), e);
	}
	if (r < 0)
		return err_wrap(e, "add %" PRIu32 " CPUs to the VM", n);
	hv->spec.size.vcpus += n;
	return 0;
}

int hv_add_memory(struct hv *hv, uint64_t mib, struct deadline d, struct err *e)
{
	int r = check_memory(hv, mib, e);

	if (r == 0) {
		hv_begin_device_call(hv);
		r = ended(hv, hv->ops->add_memory(hv, mib, d, e), e);
	}
	if (r < 0)
		return err_wrap(e, "add %" PRIu64 " MiB to the VM", mib);
	hv->spec.size.memory_mib += mib;
	hv->spec.size.memory_slots--;
	return 0;
}
