/*
 * place: an item with a value put where a pointer says.
 *
 * What is there is replaced; a member that is not there is appended to its object, together
 * with the objects that lead to it. All other bytes of the item stay as they are.
 */
#ifndef LEAT_HTTP_PLACE_H
#define LEAT_HTTP_PLACE_H

#include "stage_slice.h"

/* Where it goes: before[], the value, after[], between what is kept of the item. */
struct place {
	size_t keep, resume; /* bytes of the item kept before it; from where it goes on */
	size_t from;         /* the first token that has to be written, as an object */
	bool append;         /* as one more member … */
	bool comma;          /* … behind others */
};

/* False when there is no such place: the pointer leads through what is no object. */
bool place_find(struct stage_slice item, const struct stage_path *path, struct place *ret);
/* How long it will be at most, and the writing of it; returns where the next byte goes. */
size_t place_size(struct stage_slice item, const struct stage_path *path,
	const struct place *place, size_t value_len);
char *place_write(char *to, struct stage_slice item, const struct stage_path *path,
	const struct place *place, const char *value, size_t value_len);

#endif
