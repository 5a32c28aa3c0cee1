/* SPDX-License-Identifier: Apache-2.0 */
/* Runtime options; see options.h. */
#include "shim/options.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "proto/any.h"
#include "runc_options.pb-c.h"
#include "runtime_options.pb-c.h"

char *options_config_path(const Google__Protobuf__Any *options)
{
	Runtimeoptions__V1__Options *own =
		any_unpack(options, &runtimeoptions__v1__options__descriptor);
	char *path = xstrdup(own ? own->config_path : "");

	if (options && !own)
		log_debug("runtime options of type '%s' are not for us", options->type_url);
	if (own)
		runtimeoptions__v1__options__free_unpacked(own, NULL);
	return path;
}

char *options_shim_cgroup(const Google__Protobuf__Any *options)
{
	Containerd__Runc__V1__Options *runc =
		any_unpack(options, &containerd__runc__v1__options__descriptor);
	char *path = xstrdup(runc ? runc->shim_cgroup : "");

	if (runc)
		containerd__runc__v1__options__free_unpacked(runc, NULL);
	return path;
}
