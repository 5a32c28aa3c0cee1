/* SPDX-License-Identifier: Apache-2.0 */
/* Storages and devices of a CreateContainer; see guest_request.h. */
#include "shim/storage/guest_request.h"

#include <stdlib.h>

#include "common/base/mem.h"

static void add_text(char ***list, size_t *n, const char *text)
{
	*list = xrealloc(*list, (*n + 1) * sizeof(**list));
	(*list)[(*n)++] = xstrdup(text);
}

Grpc__Storage *guest_request_add_storage(struct guest_request *r, const char *driver,
					 const char *source, const char *fstype,
					 const char *mount_point)
{
	Grpc__Storage *s = xmalloc(sizeof(*s));

	grpc__storage__init(s);
	s->driver = xstrdup(driver);
	s->source = xstrdup(source);
	s->fstype = xstrdup(fstype);
	s->mount_point = xstrdup(mount_point);
	r->storages = xrealloc(r->storages, (r->n_storages + 1) * sizeof(r->storages[0]));
	r->storages[r->n_storages++] = s;
	return s;
}

void guest_storage_add_option(Grpc__Storage *s, const char *option)
{
	add_text(&s->options, &s->n_options, option);
}

void guest_storage_add_driver_option(Grpc__Storage *s, const char *option)
{
	add_text(&s->driver_options, &s->n_driver_options, option);
}

void guest_request_add_device(struct guest_request *r, const char *type, const char *address,
			      const char *path)
{
	Grpc__Device *d = xmalloc(sizeof(*d));

	grpc__device__init(d);
	d->type = xstrdup(type);
	d->id = xstrdup(address);
	d->container_path = xstrdup(path);
	r->devices = xrealloc(r->devices, (r->n_devices + 1) * sizeof(r->devices[0]));
	r->devices[r->n_devices++] = d;
}

void guest_request_done(struct guest_request *r)
{
	for (size_t i = 0; i < r->n_storages; i++)
		grpc__storage__free_unpacked(r->storages[i], NULL);
	for (size_t i = 0; i < r->n_devices; i++)
		grpc__device__free_unpacked(r->devices[i], NULL);
	free(r->storages);
	free(r->devices);
	*r = GUEST_REQUEST_INIT;
}
