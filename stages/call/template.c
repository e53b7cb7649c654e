#include "call/template.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#define SECRET "$secret:"

#define JSON_DEPTH_MAX 64

__attribute__((format(printf, 2, 3))) static int refuse(
	struct template_why *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return -1;
}

static int no_memory(struct template_why *why)
{
	why->no_memory = true;
	return refuse(why, "no memory");
}

/* ---- reading ---- */

static struct template_piece *add_piece(struct template *template, enum template_how how,
	const char *text, size_t len, struct template_why *why)
{
	struct template_piece *piece;

	if (template->count == template->capacity) {
		size_t capacity = template->capacity * 2 + 4;
		void *pieces = realloc(template->pieces, capacity * sizeof(*piece));

		if (pieces == NULL)
			return no_memory(why), NULL;
		template->pieces = pieces;
		template->capacity = capacity;
	}
	piece = &template->pieces[template->count];
	*piece = (struct template_piece){ .how = how, .len = len };
	piece->text = malloc(len + 1);
	if (piece->text == NULL)
		return no_memory(why), NULL;
	memcpy(piece->text, text, len);
	piece->text[len] = '\0';
	template->count++;
	return piece;
}

static int add_text(struct template *template, enum template_how how, const char *text,
	size_t len, struct template_why *why)
{
	struct stage_text json = { 0 };
	int done;

	if (len == 0)
		return 0;
	if (how != TEMPLATE_STRING)
		return add_piece(template, how, text, len, why) == NULL ? -1 : 0;
	text_json(&json, text, len);
	if (stage_text_end(&json) == NULL)
		done = no_memory(why);
	else if (add_piece(template, how, json.at + 1, json.len - 2, why) == NULL)
		done = -1;
	else
		done = 0;
	stage_text_done(&json);
	return done;
}

/* "~" stands before 0 or 1 only. */
static bool is_pointer(const char *text, size_t len)
{
	if (len > 0 && text[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0' ||
			(text[i] == '~' &&
				(i + 1 == len || (text[i + 1] != '0' && text[i + 1] != '1'))))
			return false;
	return true;
}

static int add_secret(struct template *template, enum template_how how, const char *name,
	size_t len, const struct secrets *secrets, struct template_why *why)
{
	struct template_piece *piece;
	const struct secret *secret;

	if (secrets == NULL)
		return refuse(why, "the operator allows no secrets here");
	secret = secrets_find(secrets, name, len);
	if (secret == NULL)
		return refuse(why,
			"there is no secret '%.*s'; the operator names them in "
			"stages.d/http.json",
			(int)(len < 64 ? len : 64), name);
	piece = add_piece(template, how, name, len, why);
	if (piece == NULL)
		return -1;
	piece->secret = secret;
	template->has_secrets = true;
	return 0;
}

/* What stands between the braces. */
static int add_place(struct template *template, enum template_how how, const char *text,
	size_t len, const struct secrets *secrets, struct template_why *why)
{
	struct template_piece *piece;

	if (len >= strlen(SECRET) && memcmp(text, SECRET, strlen(SECRET)) == 0)
		return add_secret(template, how == TEMPLATE_JSON ? TEMPLATE_STRING : how,
			text + strlen(SECRET), len - strlen(SECRET), secrets, why);
	if (!is_pointer(text, len))
		return refuse(why,
			"'{%.*s}' is neither a JSON pointer ({/a}) nor a secret "
			"({$secret:NAME}); a brace itself is written {{",
			(int)(len < 64 ? len : 64), text);
	piece = add_piece(template, how, text, len, why);
	if (piece == NULL)
		return -1;
	piece->is_value = true;
	template->has_values = true;
	return stage_path_init(&piece->path, piece->text) ? 0 : no_memory(why);
}

static int read_pieces(struct template *template, const char *text, size_t len,
	enum template_how how, const struct secrets *secrets, struct template_why *why)
{
	const char *at = text, *end = text + len, *brace, *close;

	if (memchr(text, '\0', len) != NULL)
		return refuse(why, "must not hold the character U+0000");
	while ((brace = memchr(at, '{', (size_t)(end - at))) != NULL) {
		bool doubled = brace + 1 < end && brace[1] == '{';

		if (add_text(template, how, at, (size_t)(brace - at) + doubled, why) < 0)
			return -1;
		at = brace + 2;
		if (doubled)
			continue;
		close = memchr(brace, '}', (size_t)(end - brace));
		if (close == NULL)
			return refuse(why, "a '{' is not closed; a brace itself is written {{");
		if (add_place(template, how, brace + 1, (size_t)(close - brace) - 1, secrets,
			    why) < 0)
			return -1;
		at = close + 1;
	}
	return add_text(template, how, at, (size_t)(end - at), why);
}

int template_parse(struct template *template, const char *text, size_t len,
	enum template_how how, const struct secrets *secrets, struct template_why *why)
{
	*template = (struct template){ 0 };
	*why = (struct template_why){ 0 };
	if (read_pieces(template, text, len, how, secrets, why) == 0)
		return 0;
	template_done(template);
	return -1;
}

void template_done(struct template *template)
{
	for (size_t i = 0; i < template->count; i++) {
		free(template->pieces[i].text);
		stage_path_done(&template->pieces[i].path);
	}
	free(template->pieces);
	*template = (struct template){ 0 };
}

/* ---- reading JSON ---- */

struct json_reader {
	struct template *template;
	const struct secrets *secrets;
	struct template_why *why;
};

static int put(struct json_reader *reader, const char *text, size_t len)
{
	return add_text(reader->template, TEMPLATE_TEXT, text, len, reader->why);
}

static int put_plain(struct json_reader *reader, yyjson_val *value)
{
	size_t len;
	char *json = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &len);
	int done = json == NULL ? no_memory(reader->why) : put(reader, json, len);

	free(json);
	return done;
}

/* Nothing but one place, which is no secret: "{/a}". */
static bool is_one_place(const char *text, size_t len)
{
	return len >= 2 && text[0] == '{' && (text[1] == '/' || text[1] == '}') &&
	       memchr(text, '}', len) == text + len - 1;
}

static int put_string(struct json_reader *reader, const char *text, size_t len)
{
	if (is_one_place(text, len))
		return read_pieces(reader->template, text, len, TEMPLATE_JSON, reader->secrets,
			reader->why);
	if (put(reader, "\"", 1) < 0 ||
		read_pieces(reader->template, text, len, TEMPLATE_STRING, reader->secrets,
			reader->why) < 0)
		return -1;
	return put(reader, "\"", 1);
}

static int put_value(struct json_reader *reader, yyjson_val *value, unsigned depth);

static int put_array(struct json_reader *reader, yyjson_val *array, unsigned depth)
{
	yyjson_val *value;
	size_t at, max;

	if (put(reader, "[", 1) < 0)
		return -1;
	yyjson_arr_foreach(array, at, max, value)
	{
		if ((at > 0 && put(reader, ",", 1) < 0) ||
			put_value(reader, value, depth + 1) < 0)
			return -1;
	}
	return put(reader, "]", 1);
}

static int put_object(struct json_reader *reader, yyjson_val *object, unsigned depth)
{
	yyjson_val *name, *value;
	size_t at, max;

	if (put(reader, "{", 1) < 0)
		return -1;
	yyjson_obj_foreach(object, at, max, name, value)
	{
		if ((at > 0 && put(reader, ",", 1) < 0) || put_plain(reader, name) < 0 ||
			put(reader, ":", 1) < 0 || put_value(reader, value, depth + 1) < 0)
			return -1;
	}
	return put(reader, "}", 1);
}

static int put_value(struct json_reader *reader, yyjson_val *value, unsigned depth)
{
	if (depth > JSON_DEPTH_MAX)
		return refuse(reader->why, "must not be nested deeper than %d", JSON_DEPTH_MAX);
	if (yyjson_is_str(value))
		return put_string(reader, yyjson_get_str(value), yyjson_get_len(value));
	if (yyjson_is_arr(value))
		return put_array(reader, value, depth);
	if (yyjson_is_obj(value))
		return put_object(reader, value, depth);
	return put_plain(reader, value);
}

int template_parse_json(struct template *template, const char *json, size_t len,
	const struct secrets *secrets, struct template_why *why)
{
	struct json_reader reader = { template, secrets, why };
	yyjson_read_err err;
	yyjson_doc *doc = yyjson_read_opts(
		(char *)(uintptr_t)json, len, YYJSON_READ_BIGNUM_AS_RAW, NULL, &err);
	int done;

	*template = (struct template){ 0 };
	*why = (struct template_why){ 0 };
	if (doc == NULL && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return no_memory(why);
	if (doc == NULL)
		return refuse(why, "is no JSON: %s", err.msg);
	done = put_value(&reader, yyjson_doc_get_root(doc), 0);
	yyjson_doc_free(doc);
	if (done < 0)
		template_done(template);
	return done;
}

/* ---- writing ---- */

/* Where the next byte of a URL stands. */
enum url_part { URL_BEGIN, URL_HOST, URL_PATH, URL_REST };

static enum url_part url_part(const struct stage_text *url)
{
	char *at = stage_text_end((struct stage_text *)url), *host;

	if (at == NULL || url->len == 0)
		return URL_BEGIN;
	host = strstr(at, "://");
	if (host == NULL)
		return URL_HOST; /* in the scheme; as strict */
	host += 3;
	if (host[strcspn(host, "?#")] != '\0')
		return URL_REST;
	return host[strcspn(host, "/\\")] != '\0' ? URL_PATH : URL_HOST;
}

static int put_in_url(const char *name, const char *value, size_t len, struct stage_text *out,
	struct template_why *why)
{
	enum url_part part = url_part(out);

	if (part == URL_BEGIN) {
		stage_text_put(out, value, len); /* a whole URL, or its beginning */
		return 0;
	}
	if (part == URL_HOST && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-."
					      "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != len)
		return refuse(why, "'%.80s' is not a host's name", name);
	if (part == URL_PATH && len == 0)
		return refuse(why, "'%.80s' is empty, and stands in the URL's path", name);
	text_percent(out, value, len);
	return 0;
}

static bool is_one_line(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 127)
			return false;
	return true;
}

/* `name` is how messages call it. */
static int put_text(const struct template_piece *piece, const char *name, const char *value,
	size_t len, struct stage_text *out, struct template_why *why)
{
	struct stage_text json = { 0 };

	switch (piece->how) {
	case TEMPLATE_URL:
		return put_in_url(name, value, len, out, why);
	case TEMPLATE_HEADER:
		if (!is_one_line(value, len))
			return refuse(why,
				"'%.80s' has a line end or another control character, which no "
				"header may have",
				name);
		break;
	case TEMPLATE_STRING:
		text_json(&json, value, len);
		if (stage_text_end(&json) != NULL)
			stage_text_put(out, json.at + 1, json.len - 2);
		else
			out->no_memory = true;
		stage_text_done(&json);
		return 0;
	default:
		break;
	}
	stage_text_put(out, value, len);
	return 0;
}

static int put_string_value(const struct template_piece *piece, struct stage_slice value,
	struct stage_text *out, struct template_why *why)
{
	char *copy = malloc(value.len + 1);
	size_t len;
	int done;

	if (copy == NULL)
		return no_memory(why);
	len = stage_slice_unescape(value, copy);
	if (memchr(copy, '\0', len) != NULL && piece->how != TEMPLATE_STRING)
		done = refuse(why, "'%.80s' holds the character U+0000", piece->text);
	else
		done = put_text(piece, piece->text, copy, len, out, why);
	free(copy);
	return done;
}

static int put_item_value(const struct template_piece *piece, struct stage_slice item,
	struct stage_text *out, struct template_why *why)
{
	struct stage_slice value = stage_slice_find(item, &piece->path);
	char scalar[512];
	bool nested;

	if (value.at == NULL)
		return refuse(why, "there is no '%.80s' in the item", piece->text);
	if (piece->how == TEMPLATE_JSON) {
		stage_text_put(out, value.at, value.len);
		return 0;
	}
	if (*value.at == '"')
		return put_string_value(piece, value, out, why);
	nested = *value.at == '{' || *value.at == '[';
	if (piece->how == TEMPLATE_TEXT && nested) {
		stage_text_put(out, value.at, value.len);
		return 0;
	}
	if (nested || *value.at == 'n' || value.len >= sizeof(scalar))
		return refuse(why,
			"'%.80s' is %s; a string, a number, true or false can stand here",
			piece->text,
			*value.at == '{'   ? "an object"
			: *value.at == '[' ? "an array"
			: *value.at == 'n' ? "null"
					   : "too long a number");
	memcpy(scalar, value.at, value.len);
	scalar[value.len] = '\0';
	return put_text(piece, piece->text, scalar, value.len, out, why);
}

static int put_piece(const struct template_piece *piece, struct stage_slice item,
	struct stage_text *out, struct template_why *why)
{
	if (piece->is_value)
		return put_item_value(piece, item, out, why);
	if (piece->secret != NULL && piece->how == TEMPLATE_URL && url_part(out) < URL_PATH)
		return refuse(why, "a secret can stand in a URL's path or query only");
	if (piece->secret != NULL)
		return put_text(
			piece, "a secret", piece->secret->value, piece->secret->len, out, why);
	stage_text_put(out, piece->text, piece->len);
	return 0;
}

/* "/users/{/id}" with an id of ".." would be another resource. */
static int check_path(struct stage_text *url, struct template_why *why)
{
	char *at = stage_text_end(url), *end;

	at = at == NULL ? NULL : strstr(at, "://");
	if (at == NULL)
		return 0;
	at += 3;
	end = at + strcspn(at, "?#");
	for (at += strcspn(at, "/?#"); at < end; at += strcspn(at, "/?#")) {
		size_t len = strcspn(++at, "/?#");

		if (*at == '.' && (len == 1 || (len == 2 && at[1] == '.')))
			return refuse(why, "the URL's path would hold '%.*s'", (int)len, at);
	}
	return 0;
}

int template_write(const struct template *template, struct stage_slice item,
	struct stage_text *out, struct template_why *why)
{
	bool whole = template->count > 0 && template->pieces[0].is_value;

	*why = (struct template_why){ 0 };
	for (size_t i = 0; i < template->count; i++)
		if (put_piece(&template->pieces[i], item, out, why) < 0)
			return -1;
	if (stage_text_end(out) == NULL)
		return no_memory(why);
	if (template->count > 0 && template->pieces[0].how == TEMPLATE_URL &&
		template->has_values && (!whole || template->count > 1))
		return check_path(out, why);
	return 0;
}
