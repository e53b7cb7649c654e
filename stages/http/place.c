#include "place.h"

#include "stage_write.h"

/* Does the object have any member? */
static bool is_empty(struct stage_slice object)
{
	return *stage_skip_blanks(object.at + 1) == '}';
}

bool place_find(struct stage_slice item, const struct stage_path *path, struct place *ret)
{
	struct stage_slice at = item;
	size_t depth = 0;

	for (; depth < path->depth; depth++) {
		struct stage_slice child = stage_slice_child(at, &path->tokens[depth]);

		if (child.at == NULL)
			break;
		at = child;
	}
	*ret = (struct place){ .from = depth };
	if (depth == path->depth) {
		ret->keep = (size_t)(at.at - item.at);
		ret->resume = ret->keep + at.len;
		return true;
	}
	if (*at.at != '{')
		return false;
	ret->append = true;
	ret->comma = !is_empty(at);
	ret->keep = ret->resume = (size_t)(at.at - item.at) + at.len - 1;
	return true;
}

size_t place_size(struct stage_slice item, const struct stage_path *path,
	const struct place *place, size_t value_len)
{
	size_t size = item.len + value_len + 2;

	for (size_t i = place->from; i < path->depth; i++)
		size += STAGE_ESCAPED_MAX(path->tokens[i].len) + 8;
	return size;
}

char *place_write(char *to, struct stage_slice item, const struct stage_path *path,
	const struct place *place, const char *value, size_t value_len)
{
	to = stage_put(to, item.at, place->keep);
	if (place->comma)
		*to++ = ',';
	for (size_t i = place->from; i < path->depth; i++) {
		if (i > place->from)
			*to++ = '{';
		*to++ = '"';
		to = stage_put_escaped(to, path->tokens[i].name, path->tokens[i].len);
		to = STAGE_PUT(to, "\":");
	}
	to = stage_put(to, value, value_len);
	for (size_t i = place->from + 1; i < path->depth; i++)
		*to++ = '}';
	return stage_put(to, item.at + place->resume, item.len - place->resume);
}
