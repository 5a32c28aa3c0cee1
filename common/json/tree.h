/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_JSON_TREE_H
#define HUSK_JSON_TREE_H

#include "common/json/json.h"

/* What a value is inside. For the files of this directory only. */
struct json {
	enum json_type type;
	bool truth;          /* JSON_TYPE_BOOL */
	char *text;          /* JSON_TYPE_STRING: without quotes; JSON_TYPE_NUMBER: its digits */
	size_t n, room;      /* of the arrays below */
	struct json **items; /* JSON_TYPE_ARRAY, JSON_TYPE_OBJECT */
	char **keys;         /* JSON_TYPE_OBJECT: of the item with the same index */
};

#endif
