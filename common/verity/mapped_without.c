/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of mapped.c in a build --without-devmapper: nothing is verified, so nothing is mapped. */
#include "common/verity/mapped.h"

int verity_open(const struct verity_params *p, const char *device, const char *name,
		struct verity_device *ret, struct err *e)
{
	(void)p;
	(void)name;
	(void)ret;
	return err_set(e, ERR_UNSUPPORTED, "'%s' cannot be verified: built without dm-verity",
		       device);
}

int verity_close(const struct verity_device *v, struct err *e)
{
	(void)v;
	(void)e;
	return 0;
}
