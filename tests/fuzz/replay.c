/* replay FOLDER: a fuzz target's seeds, each cut at every length too, without libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* Cutting long seeds everywhere would take too long to be worth it. */
#define CUTS_MAX 400

/* In a block of its own, so that a sanitizer sees a read beyond it. */
static void feed(const char *bytes, size_t len)
{
	uint8_t *copy = malloc(len + (len == 0));

	if (copy == NULL)
		abort();
	memcpy(copy, bytes, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static int replay(const char *folder, const char *name)
{
	static char bytes[1 << 20];
	char path[4096];
	size_t len;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	in = fopen(path, "rb");
	if (in == NULL)
		return -1;
	len = fread(bytes, 1, sizeof(bytes), in);
	fclose(in);
	feed(bytes, len);
	for (size_t cut = 0; cut < len; cut += len / CUTS_MAX + 1)
		feed(bytes, cut);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	int seeds = 0;

	if (dir == NULL) {
		fprintf(stderr, "usage: replay FOLDER\n");
		return 2;
	}
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			seeds += replay(argv[1], entry->d_name) == 0;
	closedir(dir);
	printf("1..1\n%s 1 - %d seeds\n", seeds > 0 ? "ok" : "not ok", seeds);
	return seeds > 0 ? 0 : 1;
}
