/* A configuration file, and what it takes from elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_parse.h"
#include "base/mem.h"
#include "job/pointer.h"
#include "plugin/config.h"

#define SECRET_MAX (64u << 10)
#define DEPTH_MAX  64

static json_t *text_of(const char *text, size_t len, const char *pointer, struct error *err)
{
	json_t *string = json_stringn(text, len);

	/* jansson says no more than that it could not: not UTF-8 is what is left. */
	if (string == NULL)
		error_set(err, ERR_INTERNAL, "its member %s: the text there is not UTF-8",
			*pointer != '\0' ? pointer : "/");
	return string;
}

static json_t *from_env(const char *name, const char *pointer, struct error *err)
{
	const char *value = getenv(name);

	if (value == NULL) {
		error_set(err, ERR_INTERNAL,
			"its member %s: the environment has no variable '%.100s'", pointer,
			name);
		return NULL;
	}
	return text_of(value, strlen(value), pointer, err);
}

/* At most SECRET_MAX bytes; -1 with errno. */
static ssize_t read_whole(const char *path, char *to)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), saved;
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	do {
		n = read(fd, to + len, SECRET_MAX - len);
		len += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && len < SECRET_MAX) || (n < 0 && errno == EINTR));
	saved = errno;
	close(fd);
	if (n >= 0 && len == SECRET_MAX) {
		n = -1;
		saved = EFBIG;
	}
	errno = saved;
	return n < 0 ? -1 : (ssize_t)len;
}

static json_t *from_file(const char *path, const char *pointer, struct error *err)
{
	char *text = mem_alloc(SECRET_MAX);
	json_t *string = NULL;
	ssize_t len;

	if (text == NULL) {
		error_no_memory(err);
		return NULL;
	}
	len = read_whole(path, text);
	if (len < 0) {
		error_set(err, ERR_INTERNAL, "its member %s: cannot read '%.200s': %s", pointer,
			path, strerror(errno));
	} else {
		/* What editors and `echo` put at the end of a file is not part of a secret. */
		while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
			len--;
		string = text_of(text, (size_t)len, pointer, err);
	}
	explicit_bzero(text, SECRET_MAX);
	mem_free(text);
	return string;
}

/* {"$env":"NAME"}, {"$file":"PATH"}: the text that it stands for; *ret_is says if it is one. */
static json_t *elsewhere(json_t *value, const char *pointer, bool *ret_is, struct error *err)
{
	const char *name = json_string_value(json_object_get(value, "$env"));
	const char *path = json_string_value(json_object_get(value, "$file"));

	*ret_is = json_object_size(value) == 1 && (name != NULL || path != NULL);
	if (!*ret_is)
		return NULL;
	return name != NULL ? from_env(name, pointer, err) : from_file(path, pointer, err);
}

static int replace(json_t *value, const char *pointer, unsigned depth, struct error *err);

/* One member: `set` puts the text in its place. */
static int replace_one(json_t *member, const char *pointer, unsigned depth, json_t **ret_new,
	struct error *err)
{
	bool is;

	*ret_new = elsewhere(member, pointer, &is, err);
	if (is)
		return *ret_new == NULL ? -1 : 0;
	return replace(member, pointer, depth + 1, err);
}

static int replace_members(
	json_t *object, const char *pointer, unsigned depth, struct error *err)
{
	const char *key;
	json_t *member, *text;
	void *next;

	json_object_foreach_safe(object, next, key, member)
	{
		struct pointer where = pointer_at(pointer, key);

		if (replace_one(member, where.text, depth, &text, err) < 0)
			return -1;
		if (text != NULL && json_object_set_new(object, key, text) < 0)
			return error_no_memory(err);
	}
	return 0;
}

static int replace_elements(
	json_t *array, const char *pointer, unsigned depth, struct error *err)
{
	for (size_t at = 0; at < json_array_size(array); at++) {
		struct pointer where = pointer_index(pointer, at);
		json_t *text;

		if (replace_one(json_array_get(array, at), where.text, depth, &text, err) < 0)
			return -1;
		if (text != NULL && json_array_set_new(array, at, text) < 0)
			return error_no_memory(err);
	}
	return 0;
}

static int replace(json_t *value, const char *pointer, unsigned depth, struct error *err)
{
	if (depth > DEPTH_MAX)
		return error_set(err, ERR_INTERNAL, "it is nested deeper than %d", DEPTH_MAX);
	if (json_is_object(value))
		return replace_members(value, pointer, depth, err);
	return json_is_array(value) ? replace_elements(value, pointer, depth, err) : 0;
}

json_t *config_read_file(const char *path, struct error *err)
{
	struct error why;
	json_t *root = json_parse_file(path, &why);

	if (root == NULL) {
		const char *text = why.text;
		size_t len = strlen(path);

		if (why.code == ERR_NO_MEMORY) {
			error_no_memory(err);
			return NULL;
		}
		/* The path stands beside the reason already. */
		if (strncmp(text, path, len) == 0 && strncmp(text + len, ": ", 2) == 0)
			text += len + 2;
		error_set(err, ERR_INTERNAL, "it cannot be read: %s", text);
		return NULL;
	}
	if (!json_is_object(root))
		error_set(err, ERR_INTERNAL, "it must hold one JSON object");
	else if (replace(root, "", 0, err) == 0)
		return root;
	json_decref(root);
	return NULL;
}
