/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod may use, from its first container; see size.h. */
#include "shim/sandbox/size.h"

#include "common/base/num.h"
#include "common/oci/pod.h"

#define ANNOTATION "io.kubernetes.cri."

/* The kernel's (Documentation/scheduler/sched-design-CFS.rst); ctr writes it where nobody asked. */
#define SHARES_DEFAULT 1024

/* Absent is 0. Kubernetes writes them as signed numbers, -1 for no limit. */
static int read_annotation(const struct oci_spec *spec, const char *name, int64_t *ret,
			   struct err *e)
{
	const char *text = oci_annotation(spec, name);

	*ret = 0;
	if (text && !num_i64(text, ret))
		return err_set(e, ERR_INVALID, "annotation %s: '%.100s' is not a number", name,
			       text);
	return 0;
}

static uint64_t positive(int64_t n)
{
	return n > 0 ? (uint64_t)n : 0;
}

static int of_pod(const struct oci_spec *spec, struct sizing_request *ret, struct err *e)
{
	int64_t period, shares;

	if (read_annotation(spec, ANNOTATION "sandbox-cpu-quota", &ret->cpu_quota, e) < 0 ||
	    read_annotation(spec, ANNOTATION "sandbox-cpu-period", &period, e) < 0 ||
	    read_annotation(spec, ANNOTATION "sandbox-cpu-shares", &shares, e) < 0 ||
	    read_annotation(spec, ANNOTATION "sandbox-memory", &ret->memory, e) < 0)
		return -1;
	ret->cpu_period = positive(period);
	ret->cpu_shares = positive(shares);
	return 0;
}

void sandbox_container_limits(const struct oci_resources *r, struct sizing_request *ret)
{
	if (r && r->cpu && r->cpu->has_quota)
		ret->cpu_quota = r->cpu->quota;
	if (r && r->cpu && r->cpu->has_period)
		ret->cpu_period = r->cpu->period;
	if (r && r->cpu && r->cpu->has_shares)
		ret->cpu_shares = r->cpu->shares;
	if (r && r->memory && r->memory->has_limit)
		ret->memory = r->memory->limit;
}

int sandbox_sizing_request(const struct oci_spec *spec, struct sizing_request *ret, struct err *e)
{
	*ret = (struct sizing_request){ .cpu_quota = 0 };
	if (pod_role(spec) == POD_SANDBOX)
		return of_pod(spec, ret, e);
	sandbox_container_limits(spec->linux.resources, ret);
	if (ret->cpu_shares == SHARES_DEFAULT)
		ret->cpu_shares = 0;
	return 0;
}
