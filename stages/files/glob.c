#include "glob.h"

#include <stddef.h>
#include <string.h>

#define STARS_MAX 2 /* of ** in a pattern: each tries every depth */

/* ---- one name ---- */

static size_t name_len(const char *at)
{
	return strcspn(at, "/");
}

static const char *next_name(const char *at)
{
	at += name_len(at);
	return *at == '/' ? at + 1 : at;
}

/* Behind the ']' that ends the set, NULL where it has none. `at` is behind the '['. */
static const char *set_end(const char *at, const char *end)
{
	at += at < end && *at == '!';
	at += at < end && *at == ']'; /* as the first one it means itself */
	while (at < end && *at != ']')
		at++;
	return at < end ? at + 1 : NULL;
}

static bool in_set(const char *at, const char *end, unsigned char c)
{
	bool inverted = *at == '!', found = false;
	const char *first = at += inverted;

	for (; at < end && (*at != ']' || at == first); at++) {
		unsigned char low = (unsigned char)*at, high = low;

		if (at + 2 < end && at[1] == '-' && at[2] != ']') {
			high = (unsigned char)at[2];
			at += 2;
		}
		found |= low <= c && c <= high;
	}
	return found != inverted;
}

static size_t char_len(const char *at, const char *end)
{
	size_t len = 1;

	while (at + len < end && ((unsigned char)at[len] & 0xc0) == 0x80)
		len++;
	return len;
}

/* One step of the pattern (no star) against one character: how far both go; false: no. */
static bool step(
	const char **pattern, const char *pattern_end, const char **name, const char *name_end)
{
	if (*pattern == pattern_end || *name == name_end)
		return false;
	if (**pattern == '?') {
		++*pattern;
		*name += char_len(*name, name_end);
		return true;
	}
	if (**pattern == '[') {
		if (!in_set(*pattern + 1, pattern_end, (unsigned char)**name))
			return false;
		*pattern = set_end(*pattern + 1, pattern_end);
		++*name;
		return true;
	}
	if (**pattern != **name)
		return false;
	++*pattern;
	++*name;
	return true;
}

/* Only the last star is ever tried again, so this is at most length times length. */
static bool name_matches(const char *pattern, const char *name)
{
	const char *pattern_end = pattern + name_len(pattern);
	const char *name_end = name + name_len(name);
	const char *star = NULL, *star_name = NULL;

	if (*name == '.' && *pattern != '.')
		return false;
	while (name < name_end) {
		if (pattern < pattern_end && *pattern == '*') {
			star = ++pattern;
			star_name = name;
		} else if (!step(&pattern, pattern_end, &name, name_end)) {
			if (star == NULL)
				return false;
			pattern = star;
			name = ++star_name;
		}
	}
	while (pattern < pattern_end && *pattern == '*')
		pattern++;
	return pattern == pattern_end;
}

/* ---- paths ---- */

static bool is_any_depth(const char *pattern)
{
	return name_len(pattern) == 2 && pattern[0] == '*' && pattern[1] == '*';
}

static bool any_hidden(const char *path)
{
	return *path == '.' || strstr(path, "/.") != NULL;
}

/* `prefix`: is it enough when the pattern goes on behind the path? */
static bool matches(const char *pattern, const char *path, bool prefix)
{
	while (*pattern != '\0' && *path != '\0') {
		if (is_any_depth(pattern)) {
			if (prefix && *path != '.')
				return true;
			if (*next_name(pattern) == '\0') /* at the end: all that is below */
				return !any_hidden(path);
			if (matches(next_name(pattern), path, prefix))
				return true;
			if (*path == '.')
				return false;
		} else {
			if (!name_matches(pattern, path))
				return false;
			pattern = next_name(pattern);
		}
		path = next_name(path);
	}
	return *path == '\0' && (prefix ? *pattern != '\0' : *pattern == '\0');
}

bool glob_matches(const char *pattern, const char *path)
{
	return matches(pattern, path, false);
}

bool glob_reaches(const char *pattern, const char *folder)
{
	return *folder == '\0' || matches(pattern, folder, true);
}

/* ---- the pattern itself ---- */

static const char *check_name(const char *at, size_t len)
{
	const char *end = at + len;

	if (len == 0)
		return "must have a name between two '/', and none of them at an end";
	if ((len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
		return "must not have '.' or '..' in it: it stays in its root";
	while (at < end) {
		if ((unsigned char)*at < 0x20)
			return "must not have control characters in it";
		at = *at == '[' ? set_end(at + 1, end) : at + 1;
		if (at == NULL)
			return "has a '[' without its ']'";
	}
	return NULL;
}

const char *glob_check(const char *pattern)
{
	unsigned names = 0, stars = 0;
	const char *wrong = NULL;

	if (strlen(pattern) > GLOB_LEN_MAX)
		return "is longer than 1000 bytes";
	for (const char *at = pattern; wrong == NULL;) {
		size_t len = name_len(at);

		names++;
		stars += is_any_depth(at);
		wrong = check_name(at, len);
		if (at[len] == '\0')
			break;
		at += len + 1;
	}
	if (wrong == NULL && names > GLOB_DEPTH_MAX)
		return "has more than 32 names";
	if (wrong == NULL && stars > STARS_MAX)
		return "may have ** twice";
	return wrong;
}
