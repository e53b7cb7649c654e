/*
 * filter: passes on the items whose field is as wanted.
 *
 * The field is found as a slice of the item and compared by its type; only an object or an
 * array is made into a tree, to be compared in depth. A regular expression is compiled once a
 * worker, because glibc's regexec() locks the compiled one.
 */
#include <regex.h>
#include <yyjson.h>

#include "stage.h"
#include "stage_number.h"
#include "stage_slice.h"

#define PATTERN_MAX 1024
#define REPEATS_MAX 1000
#define SUBJECT_MAX 65536

enum op { OP_EXISTS, OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_MATCHES };

struct filter {
	const char *pointer, *op_name, *value;
	struct stage_path path;
	enum op op;
	yyjson_doc *doc; /* of `value` */
	yyjson_val *wanted;
	struct stage_number number; /* of `wanted`, if it is one */
};

struct filter_worker {
	regex_t regex;
	bool compiled;
};

static const struct stage_param filter_params[] = {
	{ "pointer", STAGE_POINTER, .required = 1, .doc = "which field is looked at",
		.offset = offsetof(struct filter, pointer) },
	{ "op", STAGE_STRING, .required = 1, .choices = "exists|eq|ne|lt|le|gt|ge|matches",
		.doc = "how it must stand to value",
		.offset = offsetof(struct filter, op_name) },
	{ "value", STAGE_JSON,
		.doc = "what it is compared with; for matches a POSIX extended regular expression",
		.offset = offsetof(struct filter, value) },
	{ 0 },
};

/* ---- open ---- */

static enum stage_result bad_value(struct stage_ctx *ctx, const char *op, const char *wanted)
{
	return stage_fail(ctx, STAGE_PERMANENT, "/value: %s wants %s", op, wanted);
}

/* {255}{255} would make a state machine of millions of states; \1 takes time without bound. */
static const char *pattern_mistake(const char *pattern)
{
	unsigned long repeats = 1, most;
	char *end;

	if (strlen(pattern) > PATTERN_MAX)
		return "a regular expression of at most 1024 bytes";
	for (const char *at = pattern; *at != '\0'; at++) {
		if (*at == '\\' && at[1] != '\0') {
			if (*++at >= '1' && *at <= '9')
				return "a regular expression without back-references";
		} else if (*at == '{' && at[1] >= '0' && at[1] <= '9') {
			most = strtoul(at + 1, &end, 10);
			if (*end == ',' && end[1] >= '0' && end[1] <= '9')
				most = strtoul(end + 1, &end, 10);
			repeats *= most > REPEATS_MAX ? REPEATS_MAX + 1 : most + (most == 0);
			if (repeats > REPEATS_MAX)
				return "a regular expression with fewer repetitions: all {n} "
				       "together at most 1000";
		}
	}
	return NULL;
}

static enum stage_result compile(
	const struct filter *filter, struct stage_ctx *ctx, regex_t *regex)
{
	const char *pattern = yyjson_get_str(filter->wanted), *mistake;
	char text[160];
	int error;

	if (pattern == NULL || strlen(pattern) != yyjson_get_len(filter->wanted))
		return bad_value(ctx, "matches", "a string, the regular expression");
	mistake = pattern_mistake(pattern);
	if (mistake != NULL)
		return bad_value(ctx, "matches", mistake);
	error = regcomp(regex, pattern, REG_EXTENDED | REG_NOSUB);
	if (error == 0)
		return STAGE_OK;
	regerror(error, regex, text, sizeof(text));
	return stage_fail(ctx, STAGE_PERMANENT, "/value: no regular expression: %s", text);
}

static enum stage_result check_pattern(const struct filter *filter, struct stage_ctx *ctx)
{
	enum stage_result result;
	regex_t regex;

	result = compile(filter, ctx, &regex);
	if (result == STAGE_OK)
		regfree(&regex);
	return result;
}

/* In an item, a number that fits neither 64 bits nor a double is kept raw. */
static bool is_number(yyjson_val *value)
{
	return yyjson_is_num(value) || yyjson_is_raw(value);
}

static struct stage_number number_of(yyjson_val *value)
{
	if (yyjson_is_raw(value))
		return stage_number_parse(yyjson_get_raw(value));
	if (yyjson_is_uint(value))
		return stage_number_whole(false, yyjson_get_uint(value));
	if (yyjson_is_sint(value))
		return stage_number_whole(true, -(uint64_t)yyjson_get_sint(value));
	return stage_number_real(yyjson_get_real(value));
}

static enum stage_result check_value(struct filter *filter, struct stage_ctx *ctx)
{
	if (filter->op == OP_EXISTS)
		return filter->value == NULL
			       ? STAGE_OK
			       : bad_value(ctx, "exists", "no value: leave it out");
	if (filter->value == NULL)
		return bad_value(ctx, filter->op_name, "a value");
	filter->doc = yyjson_read(filter->value, strlen(filter->value), YYJSON_READ_NOFLAG);
	if (filter->doc == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	filter->wanted = yyjson_doc_get_root(filter->doc);
	if (yyjson_is_num(filter->wanted))
		filter->number = number_of(filter->wanted);
	if (filter->op == OP_MATCHES)
		return check_pattern(filter, ctx);
	if (filter->op >= OP_LT && !yyjson_is_num(filter->wanted) &&
		!yyjson_is_str(filter->wanted))
		return bad_value(ctx, filter->op_name, "a number or a string");
	return STAGE_OK;
}

static enum op op_of(const char *name)
{
	static const char *const names[] = { "exists", "eq", "ne", "lt", "le", "gt", "ge" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return (enum op)i;
	return OP_MATCHES;
}

static void filter_close(void *instance, struct stage_ctx *ctx)
{
	struct filter *filter = instance;

	stage_path_done(&filter->path);
	yyjson_doc_free(filter->doc);
	filter->doc = NULL;
}

static enum stage_result filter_open(void *instance, struct stage_ctx *ctx)
{
	struct filter *filter = instance;
	enum stage_result result;

	filter->op = op_of(filter->op_name);
	result = stage_path_init(&filter->path, filter->pointer)
			 ? check_value(filter, ctx)
			 : stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	if (result != STAGE_OK)
		filter_close(instance, ctx);
	return result;
}

static enum stage_result filter_worker_open(void *instance, struct stage_ctx *ctx)
{
	const struct filter *filter = instance;
	struct filter_worker *worker = stage_worker(ctx);
	enum stage_result result;

	if (filter->op != OP_MATCHES)
		return STAGE_OK;
	result = compile(filter, ctx, &worker->regex);
	worker->compiled = result == STAGE_OK;
	return result;
}

static void filter_worker_close(void *instance, struct stage_ctx *ctx)
{
	struct filter_worker *worker = stage_worker(ctx);

	if (worker->compiled)
		regfree(&worker->regex);
}

/* ---- equality in depth ---- */

static bool same(yyjson_val *a, yyjson_val *b);

static bool same_arrays(yyjson_val *a, yyjson_val *b)
{
	yyjson_arr_iter left = yyjson_arr_iter_with(a), right = yyjson_arr_iter_with(b);

	for (size_t i = yyjson_arr_size(a); i > 0; i--)
		if (!same(yyjson_arr_iter_next(&left), yyjson_arr_iter_next(&right)))
			return false;
	return true;
}

static bool same_objects(yyjson_val *a, yyjson_val *b)
{
	yyjson_obj_iter left = yyjson_obj_iter_with(a), right = yyjson_obj_iter_with(b);

	for (size_t i = yyjson_obj_size(a); i > 0; i--) {
		yyjson_val *key = yyjson_obj_iter_next(&left);
		yyjson_val *other =
			yyjson_obj_iter_getn(&right, yyjson_get_str(key), yyjson_get_len(key));

		if (other == NULL || !same(yyjson_obj_iter_get_val(key), other))
			return false;
	}
	return true;
}

/* Members in any order; numbers by their worth. As deep as `value` is, which a person wrote. */
static bool same(yyjson_val *a, yyjson_val *b)
{
	if (is_number(a) && is_number(b)) {
		struct stage_number x = number_of(a), y = number_of(b);

		return stage_number_compare(&x, &y) == 0;
	}
	if (yyjson_get_type(a) != yyjson_get_type(b))
		return false;
	if (yyjson_is_str(a))
		return yyjson_equals_strn(a, yyjson_get_str(b), yyjson_get_len(b));
	if (yyjson_is_bool(a))
		return yyjson_get_bool(a) == yyjson_get_bool(b);
	if (yyjson_is_ctn(a) && yyjson_get_len(a) != yyjson_get_len(b))
		return false;
	if (yyjson_is_arr(a))
		return same_arrays(a, b);
	return yyjson_is_obj(a) ? same_objects(a, b) : true;
}

/* ---- run ---- */

/* What stage_fail() has been called for, beside yes and no. */
enum verdict { DROP, KEEP, BROKEN };

static enum verdict broken(struct stage_ctx *ctx, enum stage_failure kind, const char *why)
{
	stage_fail(ctx, kind, "%s", why);
	return BROKEN;
}

static enum verdict same_tree(
	const struct filter *filter, struct stage_ctx *ctx, struct stage_slice value)
{
	yyjson_doc *doc = yyjson_read(value.at, value.len, YYJSON_READ_BIGNUM_AS_RAW);
	enum verdict verdict;

	if (doc == NULL)
		return broken(ctx, STAGE_TRANSIENT, "the field cannot be read");
	verdict = same(filter->wanted, yyjson_doc_get_root(doc)) ? KEEP : DROP;
	yyjson_doc_free(doc);
	return verdict;
}

static enum verdict equal(
	const struct filter *filter, struct stage_ctx *ctx, struct stage_slice value)
{
	yyjson_val *wanted = filter->wanted;
	struct stage_number number;

	switch (yyjson_get_type(wanted)) {
	case YYJSON_TYPE_NUM:
		return stage_slice_number(value, &number) &&
				       stage_number_compare(&number, &filter->number) == 0
			       ? KEEP
			       : DROP;
	case YYJSON_TYPE_STR:
		return stage_slice_is_string(value) &&
				       stage_slice_is(value, yyjson_get_str(wanted),
					       yyjson_get_len(wanted))
			       ? KEEP
			       : DROP;
	case YYJSON_TYPE_ARR:
	case YYJSON_TYPE_OBJ:
		return *value.at == (yyjson_is_arr(wanted) ? '[' : '{')
			       ? same_tree(filter, ctx, value)
			       : DROP;
	default: /* null, false, true are told by their first letter */
		return *value.at == (yyjson_is_null(wanted)          ? 'n'
					    : yyjson_is_true(wanted) ? 't'
								     : 'f')
			       ? KEEP
			       : DROP;
	}
}

static int compare_texts(struct stage_slice a, const char *b, size_t b_len)
{
	int order = memcmp(a.at, b, a.len < b_len ? a.len : b_len);

	return order != 0 ? order : (a.len > b_len) - (a.len < b_len);
}

static bool order_is_wanted(enum op op, int order)
{
	switch (op) {
	case OP_LT:
		return order < 0;
	case OP_LE:
		return order <= 0;
	case OP_GT:
		return order > 0;
	default:
		return order >= 0;
	}
}

static enum verdict ordered(
	const struct filter *filter, struct stage_ctx *ctx, struct stage_slice value)
{
	struct stage_number number;
	struct stage_slice text;
	int order;

	if (yyjson_is_num(filter->wanted)) {
		if (!stage_slice_number(value, &number))
			return DROP;
		order = stage_number_compare(&number, &filter->number);
	} else {
		if (!stage_slice_is_string(value))
			return DROP;
		text = stage_slice_text(ctx, value);
		if (text.at == NULL)
			return broken(ctx, STAGE_TRANSIENT, "no memory");
		order = compare_texts(
			text, yyjson_get_str(filter->wanted), yyjson_get_len(filter->wanted));
	}
	return order_is_wanted(filter->op, order) ? KEEP : DROP;
}

static enum verdict matches(struct stage_ctx *ctx, struct stage_slice value)
{
	struct filter_worker *worker = stage_worker(ctx);
	struct stage_slice text;
	regmatch_t bounds;
	int error;

	if (!stage_slice_is_string(value))
		return DROP;
	text = stage_slice_text(ctx, value);
	if (text.at == NULL)
		return broken(ctx, STAGE_TRANSIENT, "no memory");
	if (text.len > SUBJECT_MAX)
		return broken(
			ctx, STAGE_PERMANENT, "the field is too long to match: 65536 bytes");
	bounds = (regmatch_t){ 0, (regoff_t)text.len };
	error = regexec(&worker->regex, text.at, 1, &bounds, REG_STARTEND);
	if (error == REG_ESPACE)
		return broken(ctx, STAGE_TRANSIENT, "no memory to match");
	return error == 0 ? KEEP : DROP;
}

static enum verdict judge(const struct filter *filter, struct stage_ctx *ctx)
{
	struct stage_slice value = stage_slice_find(stage_slice_input(ctx), &filter->path);
	enum verdict verdict;

	if (value.at == NULL)
		return filter->op == OP_NE ? KEEP : DROP;
	switch (filter->op) {
	case OP_EXISTS:
		return KEEP;
	case OP_EQ:
		return equal(filter, ctx, value);
	case OP_NE:
		verdict = equal(filter, ctx, value);
		return verdict == BROKEN ? BROKEN : verdict == KEEP ? DROP : KEEP;
	case OP_MATCHES:
		return matches(ctx, value);
	default:
		return ordered(filter, ctx, value);
	}
}

static enum stage_result filter_run(void *instance, struct stage_ctx *ctx)
{
	switch (judge(instance, ctx)) {
	case KEEP:
		return stage_emit_input(ctx);
	case DROP:
		return STAGE_OK;
	default:
		return STAGE_FAILED;
	}
}

STAGE(.name = "filter", .version = "1.0.0",
	.summary = "Pass on the items whose field is as wanted", .threads = STAGE_PARALLEL,
	.instance_size = sizeof(struct filter), .worker_size = sizeof(struct filter_worker),
	.params = filter_params, .open = filter_open, .close = filter_close,
	.worker_open = filter_worker_open, .worker_close = filter_worker_close,
	.run = filter_run);
