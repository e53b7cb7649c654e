#include "job/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* The table of well-formed sequences of the Unicode standard (3-7), folded. */
size_t text_char_len(const char *text, size_t left)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (left == 0)
		return 0;
	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (at[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (at[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (at[0] == 0xf0)
		low = 0x90; /* overlong */
	else if (at[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (left < len || at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* C0, DEL and C1 (which is c2 80 … c2 9f). */
static bool is_control(const char *at)
{
	unsigned char first = (unsigned char)at[0];

	return first < 0x20 || first == 0x7f || (first == 0xc2 && (unsigned char)at[1] < 0xa0);
}

bool text_is_printable(const char *text, size_t len)
{
	for (size_t step; len > 0; text += step, len -= step) {
		step = text_char_len(text, len);
		if (step == 0 || is_control(text))
			return false;
	}
	return true;
}

void text_clean(char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t step = text_char_len(text, left);

		if (step == 0 || is_control(text)) {
			step = MAX(step, (size_t)1);
			memset(text, '?', step);
		}
		text += step;
		left -= step;
	}
}

bool text_is_name(const char *text, size_t len)
{
	if (len == 0 || len > TEXT_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80 || (!isalnum(c) && c != '_' && c != '-'))
			return false;
	}
	return true;
}

bool text_to_uint(const char *text, unsigned long long max, unsigned long long *ret)
{
	unsigned long long value = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		unsigned digit = (unsigned)(unsigned char)*text - '0';

		if (digit > 9 || value > (max - MIN((unsigned long long)digit, max)) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value > max)
		return false;
	*ret = value;
	return true;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment: insert, delete, replace, swap two neighbours; one each. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][TEXT_NAME_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = least(last[j], row[j - 1]) + 1;
			row[j] = least(row[j], last[j - 1] + !same_letter(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
				same_letter(a[i - 2], b[j - 1]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[b_len];
}

void nearest_init(struct nearest *nearest, const char *word)
{
	size_t len = strnlen(word, TEXT_NAME_MAX + 1);

	*nearest = (struct nearest){ .word = word };
	if (len > 0 && len <= TEXT_NAME_MAX)
		nearest->distance = (len < 2 ? 0 : MAX(len / 3, (size_t)1)) + 1;
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
	size_t len = strnlen(candidate, TEXT_NAME_MAX + 1), word_len = strlen(nearest->word);
	size_t found;

	if (nearest->distance == 0 || len > TEXT_NAME_MAX)
		return;
	found = distance(nearest->word, word_len, candidate, len);
	if (word_len >= 3 && strncasecmp(candidate, nearest->word, word_len) == 0)
		found = least(found, 1);
	if (found < nearest->distance) {
		nearest->distance = found;
		nearest->best = candidate;
	}
}
