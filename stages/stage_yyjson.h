/*
 * stage_yyjson: an item as a yyjson tree, without malloc for items of usual size.
 *
 *	struct stage_tree tree;
 *
 *	if (!stage_tree_read(ctx, &tree, YYJSON_READ_NOFLAG))
 *		return STAGE_FAILED;
 *	… yyjson_obj_get(tree.root, "price") …
 *	return stage_tree_done(&tree, stage_emit(ctx, …));
 *
 * The tree lies in scratch memory and ends with the item. Use tree.alc for what else of
 * yyjson wants an allocator.
 */
#ifndef LEAT_STAGE_YYJSON_H
#define LEAT_STAGE_YYJSON_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "stage.h"
#include "stage_write.h"

/* A tree takes up to 12 times the text; beyond this it comes from malloc, as it grows. */
#define STAGE_TREE_POOL_MAX 16384
/* In the pool, beside the tree: for a small output document. */
#define STAGE_TREE_SPARE 4096

struct stage_tree {
	yyjson_doc *doc;
	yyjson_val *root;
	const yyjson_alc *alc; /* NULL is yyjson's word for malloc */
	yyjson_alc pool;
};

/* False when there is no memory: the item has then failed. */
static inline bool stage_tree_read(
	struct stage_ctx *ctx, struct stage_tree *tree, yyjson_read_flag flags)
{
	yyjson_read_err err = { 0 };
	size_t len, size;
	const char *text = stage_input(ctx, &len);
	void *memory;

	tree->alc = NULL;
	if (len <= STAGE_TREE_POOL_MAX) {
		size = yyjson_read_max_memory_usage(len, flags) + STAGE_TREE_SPARE;
		memory = stage_scratch(ctx, size);
		if (memory != NULL && yyjson_alc_pool_init(&tree->pool, memory, size))
			tree->alc = &tree->pool;
	}
	/* The text is only read: no flag asks for parsing in place. */
	tree->doc = yyjson_read_opts((char *)(uintptr_t)text, len, flags, tree->alc, &err);
	tree->root = yyjson_doc_get_root(tree->doc);
	if (tree->doc == NULL)
		stage_fail(ctx, STAGE_TRANSIENT, "the item cannot be read: %s", err.msg);
	return tree->doc != NULL;
}

/* A decimal with as few digits as say it exactly, at most STAGE_REAL_MAX bytes; null for what
 * JSON has no number for. Returns where the next byte goes. */
#define STAGE_REAL_MAX 32
static inline char *stage_put_real(char *to, double number)
{
	char memory[256];
	yyjson_alc alc;
	yyjson_val value = { 0 };
	const char *text;
	size_t len;

	yyjson_set_real(&value, number);
	yyjson_alc_pool_init(&alc, memory, sizeof(memory));
	text = yyjson_val_write_opts(
		&value, YYJSON_WRITE_INF_AND_NAN_AS_NULL, &alc, &len, NULL);
	memcpy(to, text, len); /* the pool is large enough for a number: text is never NULL */
	return to + len;
}

/* Emit a document that was made with tree->alc; it is gone then. */
static inline enum stage_result stage_tree_emit(
	struct stage_ctx *ctx, const struct stage_tree *tree, yyjson_mut_doc *doc)
{
	enum stage_result result;
	yyjson_write_err err = { 0 };
	size_t len;
	char *text = yyjson_mut_write_opts(doc, YYJSON_WRITE_NOFLAG, tree->alc, &len, &err);

	if (text == NULL)
		result = stage_fail(ctx, STAGE_TRANSIENT, "no memory to write the item");
	else
		result = stage_emit(ctx, text, len);
	yyjson_mut_doc_free(doc);
	if (tree->alc == NULL)
		free(text); /* what is in the pool ends with the item */
	return result;
}

/* Hands the result through, for the last line of a run. */
static inline enum stage_result stage_tree_done(
	struct stage_tree *tree, enum stage_result result)
{
	yyjson_doc_free(tree->doc);
	return result;
}

#endif
