/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels of AppArmor and SELinux. The files are opened while /proc is the guest's, written once all is
 * done that a profile might forbid. A guest without the module, or without the profile, runs the
 * container without: the virtual machine is what confines it.
 */
#include <unistd.h>

#include "agent/confine/lsm.h"
#include "agent/process/stage_step.h"
#include "common/base/mem.h"

static int open_label(const char *label, enum lsm which, int *ret, struct err *e)
{
	*ret = -1;
	if (!label[0])
		return 0;
	if (!lsm_active("/sys", which)) {
		stage_warn("%s '%s' is not applied: the guest's kernel has no %s",
			   which == LSM_APPARMOR ? "AppArmor profile" : "SELinux label", label,
			   lsm_name(which));
		return 0;
	}
	*ret = lsm_open_exec("/proc/self", which, e);
	return *ret < 0 ? -1 : 0;
}

char *stage_mount_context(const struct stage *s)
{
	return s->label_mounts ? xasprintf("context=%s", s->linux_spec->mountlabel) : NULL;
}

int stage_open_labels(struct stage *s, struct err *e)
{
	const char *label = s->linux_spec->mountlabel;

	s->label_mounts = label[0] && lsm_active("/sys", LSM_SELINUX);
	/* With a label of the process's own beside it that one is warned of, which is enough. */
	if (label[0] && !s->label_mounts && !s->process->selinuxlabel[0])
		stage_warn("mount label '%s' is not applied: the guest's kernel has no SELinux",
			   label);
	if (open_label(s->process->apparmorprofile, LSM_APPARMOR, &s->apparmor, e) < 0)
		return -1;
	return open_label(s->process->selinuxlabel, LSM_SELINUX, &s->selinux, e);
}

int stage_set_labels(struct stage *s, struct err *e)
{
	struct err why = ERR_INIT;

	if (s->apparmor >= 0 &&
	    lsm_set_exec(s->apparmor, LSM_APPARMOR, s->process->apparmorprofile, &why) < 0) {
		if (why.code != ERR_NOT_FOUND) {
			*e = why;
			return -1;
		}
		stage_warn("%s: the guest has not loaded it, the container runs without", why.text);
	}
	if (s->selinux < 0)
		return 0;
	return lsm_set_exec(s->selinux, LSM_SELINUX, s->process->selinuxlabel, e);
}
