/*
 * glob: which files a pattern means.
 *
 * A pattern is names with '/' in between. In a name, * stands for any characters, ? for one,
 * […] for one of a set ([a-z], [!a-z] for none of it); ** as a whole name stands for any number
 * of folders, none included, and at the end for all files below. What begins with a dot is only
 * meant by a name that does, too.
 *
 * It never leaves its folder: '..' is refused, and names to be matched come from the folder.
 */
#ifndef FILES_GLOB_H
#define FILES_GLOB_H

#include <stdbool.h>

#define GLOB_LEN_MAX   1000
#define GLOB_DEPTH_MAX 32 /* names in a pattern, and in a path that is looked at */

/* What is wrong with the pattern, for its author; NULL: nothing. */
const char *glob_check(const char *pattern);
bool glob_matches(const char *pattern, const char *path);
/* Can anything in the folder, or further down, match? */
bool glob_reaches(const char *pattern, const char *folder);

#endif
