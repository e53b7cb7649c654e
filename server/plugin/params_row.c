#include "plugin/params_row.h"

#include <string.h>

#include "base/json_parse.h"

const struct stage_param *params_rows(const struct stage *stage)
{
	static const struct stage_param none;

	return stage->params != NULL ? stage->params : &none;
}

const struct stage_param *params_find_row(const struct stage *stage, const char *name)
{
	for (const struct stage_param *row = params_rows(stage); row->name != NULL; row++)
		if (strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

json_t *params_default(const struct stage_param *row)
{
	switch (row->type) {
	case STAGE_STRING:
	case STAGE_POINTER:
		return json_string(row->def);
	default:
		return json_parse(row->def, strlen(row->def), JSON_ALLOW_NUL, NULL);
	}
}

bool params_next_choice(const char **rest, char ret_choice[static TEXT_NAME_MAX + 1])
{
	const char *at = *rest;
	size_t len, kept;

	if (at == NULL)
		return false;
	len = strcspn(at, "|");
	kept = len < TEXT_NAME_MAX ? len : TEXT_NAME_MAX;
	memcpy(ret_choice, at, kept);
	ret_choice[kept] = '\0';
	*rest = at[len] == '|' ? at + len + 1 : NULL;
	return true;
}
