/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the QEMU Machine Protocol; see qmp_message.h. */
#include "hypervisor/qemu/qmp_message.h"

#include "common/base/mem.h"

static int read_error(const struct json *error, struct qmp_message *m, struct err *e)
{
	m->kind = QMP_ERROR;
	m->name = json_string(json_get(error, "class"));
	m->text = json_string(json_get(error, "desc"));
	if (!m->name || !m->text)
		return err_set(e, ERR_INVALID, "QMP: an error without class or description");
	return 0;
}

static int read_kind(struct qmp_message *m, struct err *e)
{
	const struct json *v;

	if ((v = json_get(m->root, "event"))) {
		m->kind = QMP_EVENT;
		m->name = json_string(v);
		m->data = json_get(m->root, "data");
		if (!m->name)
			return err_set(e, ERR_INVALID, "QMP: an event without a name");
		return 0;
	}
	m->has_id = json_u64(json_get(m->root, "id"), &m->id);
	if ((v = json_get(m->root, "return"))) {
		m->kind = QMP_RETURN;
		m->data = v;
		if (!m->has_id)
			return err_set(e, ERR_INVALID, "QMP: an answer without our id");
		return 0;
	}
	if ((v = json_get(m->root, "error")))
		return read_error(v, m, e);
	if ((v = json_get(m->root, "QMP"))) {
		m->kind = QMP_GREETING;
		m->data = v;
		return 0;
	}
	return err_set(e, ERR_INVALID, "QMP: neither greeting, answer, error nor event");
}

int qmp_message_parse(const char *line, size_t len, struct qmp_message *ret, struct err *e)
{
	struct qmp_message m = { 0 };

	if (json_parse(line, len, &m.root, e) < 0)
		return err_wrap(e, "QMP");
	if (read_kind(&m, e) < 0) {
		json_free(m.root);
		return -1;
	}
	*ret = m;
	return 0;
}

void qmp_message_done(struct qmp_message *m)
{
	json_free(m->root);
	*m = (struct qmp_message){ 0 };
}

char *qmp_command_text(uint64_t id, const char *command, const char *arguments)
{
	auto_free char *object = json_object("s:execute", command, "o:arguments", arguments, "u:id",
					     (unsigned long long)id, NULL);

	return xasprintf("%s\n", object);
}
